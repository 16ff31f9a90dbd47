/** The AI pool as a part of the node: a service for the doors, methods for other nodes. */
import { MeshError, type Startable } from "@hearthmesh/core";
import type { MetricValue } from "@hearthmesh/gateway/plain";
import type {
  EngineBench,
  GenerationEvent,
  InferenceRequest,
  InferenceService,
  InferenceStats,
  LinkBench,
  NodeRings,
  PlanExplanation,
  PlanOptions,
  RingBenchRow,
  RingInspection,
} from "@hearthmesh/pool";
import type { MethodPart } from "../method-router.js";
import { OnDemand } from "../on-demand.js";
import { aiMetrics } from "./ai-metrics.js";
import type { AiRuntime, AiRuntimeOptions } from "./ai-runtime.js";
import { AiUpkeep } from "./ai-upkeep.js";
import { unavailableOf } from "./unavailable-of.js";

const NO_JOBS: InferenceStats = {
  ...{ jobsCompleted: 0, jobsFailed: 0, jobsRunning: 0, jobsWaiting: 0 },
  ...{ tokensGenerated: 0, promptTokens: 0, tokensPerSecond: undefined, models: [] },
};

export class AiPart implements Startable, InferenceService, RingInspection {
  readonly name = "AI pool";
  readonly upkeep = new AiUpkeep();
  readonly #options: AiRuntimeOptions;
  readonly #runtime: OnDemand<AiRuntime>;

  constructor(options: AiRuntimeOptions) {
    this.#options = options;
    this.#runtime = new OnDemand({
      open: () => this.#open(),
      nowMs: () => options.clock.monotonicMs(),
    });
  }

  async start(): Promise<void> {
    this.#runtime.start();
  }

  async stop(): Promise<void> {
    const runtime = await this.#runtime.stop();
    this.upkeep.closed();
    await runtime?.inference.close();
  }

  /** For nodes of this member alone; that they are in a pool with this one is checked behind. */
  methods(): MethodPart {
    return {
      prefixes: ["ai."],
      callers: "machines",
      handlers: {
        onRequest: async (request) => {
          const answer = (await this.#runtime.get()).inference.handlers().onRequest?.(request);
          if (answer === undefined) throw new MeshError("MESH_INTERNAL");
          return answer;
        },
        onStream: async (stream) => {
          await (await this.#runtime.get()).inference.handlers().onStream?.(stream);
        },
      },
    };
  }

  async *generate(
    request: InferenceRequest,
    signal: AbortSignal,
  ): AsyncGenerator<GenerationEvent, void, undefined> {
    yield* (await this.#runtime.get()).inference.generate(request, signal);
  }

  async explain(
    model: string | undefined,
    signal: AbortSignal,
    options?: PlanOptions,
  ): Promise<PlanExplanation> {
    return (await this.#runtime.get()).inference.explain(model, signal, options);
  }

  /** Counting what never ran loads nothing. */
  async stats(signal: AbortSignal): Promise<InferenceStats> {
    return this.#runtime.opened?.inference.stats(signal) ?? NO_JOBS;
  }

  /** Whether a shard of this model is on this node. */
  holds(modelId: string): boolean {
    const held = this.#runtime.opened?.inference.held() ?? [];
    return held.some((ring) => ring.modelId === modelId);
  }

  /** Of what runs; nothing is started for it. */
  async metrics(): Promise<MetricValue[]> {
    const { opened } = this.#runtime;
    if (opened === undefined) return [];
    const stats = await opened.inference.stats(new AbortController().signal);
    return aiMetrics(this.#options.record.name, opened.inference.rings(), stats);
  }

  async rings(): Promise<NodeRings> {
    const { config, record } = this.#options;
    const unavailable = unavailableOf(config.ai, record.roles.includes("ai"));
    return this.#runtime.opened?.inference.rings() ?? { unavailable, led: [], held: [] };
  }

  async benchEngine(threads: number | undefined, signal: AbortSignal): Promise<EngineBench> {
    const { host } = await this.#runtime.get();
    const measured = await host.measureNow(threads, signal);
    return {
      engine: measured.engine,
      threads: measured.threads,
      bytesPerSecond: measured.bytesPerSecond,
    };
  }

  async benchLink(node: string, signal: AbortSignal): Promise<LinkBench> {
    return (await this.#runtime.get()).inference.benchLink(node, signal);
  }

  async benchRing(
    model: string | undefined,
    tokens: number,
    signal: AbortSignal,
  ): Promise<readonly RingBenchRow[]> {
    const [{ benchRings }, { inference }] = await Promise.all([
      import("@hearthmesh/pool"),
      this.#runtime.get(),
    ]);
    return benchRings(inference, model, tokens, signal);
  }

  async #open(): Promise<AiRuntime> {
    const { openAiRuntime } = await import("./ai-runtime.js");
    const runtime = openAiRuntime(this.#options);
    this.upkeep.opened(runtime.inference);
    return runtime;
  }
}
