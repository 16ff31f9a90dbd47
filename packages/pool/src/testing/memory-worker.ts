/** A worker that computes nothing: it says the words of its prompt again and again. */
import { MeshError, type NodeId } from "@hearthmesh/core";
import type { GenerateRequest, GenerationEvent } from "../ring/generation.js";
import type { RingPlan } from "../ring/ring-plan.js";
import type { RingFailure, RingWorker, RingWorkerStats } from "../ring/ring-worker.js";

const STEP_MS = 1;
const WAIT_MS = 2;

export class MemoryWorker implements RingWorker {
  readonly port = 1;
  readonly processId = 1;
  readonly nodeId: NodeId;
  readonly plans: RingPlan[] = [];
  readonly #all: () => readonly MemoryWorker[];
  readonly #listeners = new Set<(failure: RingFailure) => void>();
  #plan: RingPlan | undefined;
  /** The epoch whose ring broke. */
  #brokenEpoch = 0;
  isClosed = false;
  /** Its process hangs: nothing is answered any more. */
  isSilent = false;

  constructor(nodeId: NodeId, all: () => readonly MemoryWorker[]) {
    this.nodeId = nodeId;
    this.#all = all;
  }

  get epoch(): number {
    return this.#plan?.epoch ?? 0;
  }

  async load(plan: RingPlan, _path: string, signal: AbortSignal): Promise<void> {
    this.#checkOpen();
    if (plan.epoch <= this.epoch) throw new MeshError("MESH_EPOCH_OLD");
    this.#plan = plan;
    this.plans.push(plan);
    for (;;) {
      signal.throwIfAborted();
      this.#checkOpen();
      const others = plan.members.filter(({ nodeId }) => nodeId !== this.nodeId);
      const isThere = ({ nodeId }: { nodeId: NodeId }) =>
        this.#all().some(
          (one) => one.nodeId === nodeId && !one.isClosed && one.epoch === plan.epoch,
        );
      if (others.every(isThere)) return;
      await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
    }
  }

  async *generate(request: GenerateRequest, signal: AbortSignal) {
    const { prompt } = request;
    const words = prompt.kind === "text" ? prompt.text.split(" ") : ["chat"];
    let epochs = 1;
    let epoch = this.epoch;
    const started: GenerationEvent = { kind: "started", promptTokens: words.length };
    yield started;
    for (let index = 0; index < (request.maxTokens ?? 8); index++) {
      await new Promise((resolve) => setTimeout(resolve, STEP_MS));
      while (this.#brokenEpoch >= this.epoch) {
        signal.throwIfAborted();
        this.#checkOpen();
        await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
      }
      signal.throwIfAborted();
      this.#checkOpen();
      if (this.epoch !== epoch) {
        epochs++;
        epoch = this.epoch;
        yield { kind: "paused", lostNode: "?", epoch } satisfies GenerationEvent;
      }
      const text = `${words[index % words.length]} `;
      yield { kind: "text", text, tokens: [index] } satisfies GenerationEvent;
    }
    yield this.#done(words.length, request.maxTokens ?? 8, epochs);
  }

  onFailure(listener: (failure: RingFailure) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async stats(): Promise<RingWorkerStats> {
    if (this.isSilent) return new Promise(() => undefined);
    const engine = { weightBytes: 1, cacheBytes: 1, scratchBytes: 1 };
    return {
      epoch: this.epoch,
      engine: { ...engine, description: "memory", threads: 1 },
      ...{ tokensGenerated: 0, promptTokens: 0, exchanges: 0, exchangeMs: 0, computeMs: 0 },
      ...{ bytesSent: 0, bytesReceived: 0, connectionsOpen: 0, replays: 0 },
      ...{ exchangeMsP50: 0.02, exchangeMsP99: 0.4 },
    };
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }

  /** Its process is gone; whoever is in a ring with it will see. */
  die(): void {
    this.isClosed = true;
  }

  kill(): void {
    this.crash();
  }

  /** Its own engine ended; the node lives on. */
  crash(): void {
    this.isClosed = true;
    const error = new MeshError("MESH_ENGINE_FAILED", { message: "the engine was ended" });
    this.#tell({ epoch: this.epoch, nodeId: undefined, error });
  }

  loses(nodeId: NodeId): void {
    if (this.isClosed || !this.#plan?.members.some((member) => member.nodeId === nodeId)) return;
    this.#brokenEpoch = this.epoch;
    this.#tell({ epoch: this.epoch, nodeId, error: new MeshError("MESH_UNREACHABLE") });
  }

  #tell(failure: RingFailure): void {
    for (const listener of this.#listeners) listener(failure);
  }

  #checkOpen(): void {
    if (this.isClosed) throw new MeshError("MESH_ENGINE_FAILED", { message: "it was closed" });
  }

  #done(promptTokens: number, completionTokens: number, epochs: number): GenerationEvent {
    return {
      ...{ kind: "done", finishReason: "length", promptTokens, completionTokens },
      timings: {
        ...{ firstTokenMs: 1, promptMs: 1, computeMs: completionTokens * 30 },
        ...{ exchangeMs: completionTokens * 30, decodeMs: completionTokens * 60 },
        ...{ epochs, replayedTokens: 0, pauseMs: 0 },
      },
    };
  }
}
