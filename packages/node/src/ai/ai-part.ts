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
import { aiMetrics } from "./ai-metrics.js";
import type { AiRuntime, AiRuntimeOptions } from "./ai-runtime.js";
import { AiUpkeep } from "./ai-upkeep.js";

const NO_JOBS: InferenceStats = {
  ...{ jobsCompleted: 0, jobsFailed: 0, jobsRunning: 0, jobsWaiting: 0 },
  ...{ tokensGenerated: 0, promptTokens: 0, tokensPerSecond: undefined, models: [] },
};

export class AiPart implements Startable, InferenceService, RingInspection {
  readonly name = "AI pool";
  readonly upkeep = new AiUpkeep();
  readonly #options: AiRuntimeOptions;
  #opening: Promise<AiRuntime> | undefined;
  #opened: AiRuntime | undefined;
  #isStopped = false;

  constructor(options: AiRuntimeOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#isStopped = false;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    const opening = this.#opening;
    this.#opening = undefined;
    this.#opened = undefined;
    this.upkeep.closed();
    const runtime = await opening?.catch(() => undefined);
    await runtime?.inference.close();
  }

  /** For nodes of this member alone; that they are in a pool with this one is checked behind. */
  methods(): MethodPart {
    return {
      prefixes: ["ai."],
      callers: "machines",
      handlers: {
        onRequest: async (request) => {
          const answer = (await this.#runtime()).inference.handlers().onRequest?.(request);
          if (answer === undefined) throw new MeshError("MESH_INTERNAL");
          return answer;
        },
        onStream: async (stream) => {
          await (await this.#runtime()).inference.handlers().onStream?.(stream);
        },
      },
    };
  }

  async *generate(
    request: InferenceRequest,
    signal: AbortSignal,
  ): AsyncGenerator<GenerationEvent, void, undefined> {
    yield* (await this.#runtime()).inference.generate(request, signal);
  }

  async explain(
    model: string | undefined,
    signal: AbortSignal,
    options?: PlanOptions,
  ): Promise<PlanExplanation> {
    return (await this.#runtime()).inference.explain(model, signal, options);
  }

  /** Counting what never ran loads nothing. */
  async stats(signal: AbortSignal): Promise<InferenceStats> {
    if (this.#opening === undefined) return NO_JOBS;
    return (await this.#runtime()).inference.stats(signal);
  }

  /** Whether a shard of this model is on this node. */
  holds(modelId: string): boolean {
    const held = this.#opened?.inference.held() ?? [];
    return held.some((ring) => ring.modelId === modelId);
  }

  /** Of what runs; nothing is started for it. */
  async metrics(): Promise<MetricValue[]> {
    if (this.#opened === undefined) return [];
    const stats = await this.stats(new AbortController().signal);
    return aiMetrics(this.#options.record.name, this.#opened.inference.rings(), stats);
  }

  async rings(): Promise<NodeRings> {
    if (this.#opening === undefined) return { unavailable: undefined, led: [], held: [] };
    return (await this.#runtime()).inference.rings();
  }

  async benchEngine(threads: number | undefined, signal: AbortSignal): Promise<EngineBench> {
    const { host } = await this.#runtime();
    const measured = await host.measureNow(threads, signal);
    return {
      engine: measured.engine,
      threads: measured.threads,
      bytesPerSecond: measured.bytesPerSecond,
    };
  }

  async benchLink(node: string, signal: AbortSignal): Promise<LinkBench> {
    return (await this.#runtime()).inference.benchLink(node, signal);
  }

  async benchRing(
    model: string | undefined,
    tokens: number,
    signal: AbortSignal,
  ): Promise<readonly RingBenchRow[]> {
    const [{ benchRings }, { inference }] = await Promise.all([
      import("@hearthmesh/pool"),
      this.#runtime(),
    ]);
    return benchRings(inference, model, tokens, signal);
  }

  #runtime(): Promise<AiRuntime> {
    if (this.#isStopped) throw new MeshError("MESH_STOPPING");
    this.#opening ??= this.#open();
    return this.#opening;
  }

  async #open(): Promise<AiRuntime> {
    const { openAiRuntime } = await import("./ai-runtime.js");
    this.#opened = openAiRuntime(this.#options);
    this.upkeep.opened(this.#opened.inference);
    return this.#opened;
  }
}
