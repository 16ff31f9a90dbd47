/**
 * Several agents in one process, for tests of the runtime: their links are calls, their workers say
 * the same text wherever they run, and any node can be lost at any time.
 */
import {
  type Clock,
  fromWireError,
  MeshError,
  type NodeId,
  silentLogger,
  systemClock,
  systemRandom,
} from "@hearthmesh/core";
import type { LinkStream, Peer } from "@hearthmesh/qwormhole";
import type { ModelRecord } from "../models/model-library.js";
import { PoolInference } from "../runtime/pool-inference.js";
import type { AgentMember, AgentPorts, HeldWorker } from "../runtime/ports.js";
import { MemoryWorker } from "./memory-worker.js";
import { MODEL_SHAPES } from "./model-shapes.js";

/**
 * Ticks of 5 ms, so that the least round trip of a call in one process is 0 however busy the
 * machine is: what the planner chooses depends on nothing but what a test says.
 */
const CLOCK_TICK_MS = 5;
function tickingClock(): Clock {
  const clock = systemClock();
  const monotonicMs = () => Math.floor(clock.monotonicMs() / CLOCK_TICK_MS) * CLOCK_TICK_MS;
  return { ...clock, monotonicMs };
}

export interface AgentOptions {
  readonly bandwidthBytesPerSecond?: number;
  readonly memoryBytes?: number;
}

/** `a`, `b`, ... as node ids of the right form. */
export function testNodeId(name: string): NodeId {
  return name.padEnd(52, name) as NodeId;
}

const TEST_MODEL: ModelRecord = {
  v: 1,
  name: "tiny",
  id: "ab".repeat(32),
  sizeBytes: 1000,
  shape: MODEL_SHAPES.tinyLlama,
  quantisation: "Q4_0",
  addedAtMs: 0,
  source: "test",
};

interface Agent {
  readonly inference: PoolInference;
  readonly records: Map<string, object>;
  readonly workers: MemoryWorker[];
}

export class AgentPool {
  readonly #agents = new Map<NodeId, Agent>();
  readonly #names = new Map<NodeId, string>();
  readonly #lost = new Set<NodeId>();
  readonly #changed = new Set<() => void>();
  /** Of one way between two nodes, in calls. */
  delayMs = 0;
  idleUnloadMs = 60_000;

  add(name: string, options: AgentOptions = {}): PoolInference {
    const nodeId = testNodeId(name);
    this.#names.set(nodeId, name);
    const records = this.#agents.get(nodeId)?.records ?? new Map<string, object>();
    const workers: MemoryWorker[] = [];
    const inference = new PoolInference(this.#ports(nodeId, options, records, workers));
    this.#lost.delete(nodeId);
    this.#agents.set(nodeId, { inference, records, workers });
    for (const listener of this.#changed) listener();
    return inference;
  }

  agent(name: string): Agent {
    const agent = this.#agents.get(testNodeId(name));
    if (agent === undefined) throw new Error(`no agent ${name}`);
    return agent;
  }

  /** The admin takes it out of the pool; its process and its sockets live on. */
  remove(name: string): void {
    this.#names.delete(testNodeId(name));
    for (const listener of this.#changed) listener();
  }

  /** As by SIGKILL: nothing is said, its links and sockets close. */
  lose(name: string): void {
    const nodeId = testNodeId(name);
    this.#lost.add(nodeId);
    for (const worker of this.agent(name).workers) worker.die();
    for (const listener of this.#changed) listener();
    for (const [other, { workers }] of this.#agents) {
      if (other === nodeId || this.#lost.has(other)) continue;
      for (const worker of workers) worker.loses(nodeId);
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#agents.values()].map(({ inference }) => inference.close()));
  }

  #ports(
    self: NodeId,
    options: AgentOptions,
    records: Map<string, object>,
    workers: MemoryWorker[],
  ): AgentPorts {
    return {
      self: { nodeId: self, name: this.#names.get(self) ?? self },
      members: {
        list: () => this.#members(self),
        isPeer: (nodeId) => this.#names.has(nodeId),
        onChange: (listener) => {
          this.#changed.add(listener);
          return () => this.#changed.delete(listener);
        },
      },
      links: this.#links(self),
      library: {
        list: async () => [TEST_MODEL],
        get: async (name) => {
          if (name === TEST_MODEL.name || name === TEST_MODEL.id) return TEST_MODEL;
          throw new MeshError("MESH_MODEL_UNKNOWN");
        },
        ensure: async () => "model.gguf",
      },
      rangesOf: async () => [],
      host: {
        unavailable: undefined,
        memoryBytes: () => options.memoryBytes ?? 8 * 2 ** 30,
        bandwidth: async () => ({
          bytesPerSecond: options.bandwidthBytesPerSecond ?? 10e9,
          measuredAtMs: Date.now(),
        }),
        // It does not rise: a worker that answers nothing hangs.
        cpuMs: async () => 0,
      },
      startWorker: async (): Promise<HeldWorker> => {
        const worker = new MemoryWorker(self, () => this.#workersNow());
        workers.push(worker);
        return { worker, endpoints: [`${this.#names.get(self)}:1`], close: () => worker.close() };
      },
      records: {
        read: async (name) => structuredClone(records.get(name)),
        write: async (name, value) => void records.set(name, structuredClone(value)),
      },
      sizes: { contextTokens: 512, sequencesMax: 4, batchRowsMax: 64, threads: 1 },
      idleUnloadMs: this.idleUnloadMs,
      clock: tickingClock(),
      random: systemRandom(),
      log: silentLogger,
    };
  }

  #members(self: NodeId): AgentMember[] {
    return [...this.#names].map(([nodeId, name]) => ({
      ...{ nodeId, name, isSelf: nodeId === self, isOnline: !this.#lost.has(nodeId) },
    }));
  }

  #workersNow(): MemoryWorker[] {
    return [...this.#agents.values()].flatMap(({ workers }) => workers);
  }

  #links(self: NodeId): AgentPorts["links"] {
    const handlersOf = (nodeId: NodeId) => {
      const agent = this.#agents.get(nodeId);
      const isGone = this.#lost.has(nodeId) || this.#lost.has(self);
      if (agent === undefined || isGone) throw new MeshError("MESH_UNREACHABLE");
      return agent.inference.handlers();
    };
    const peer: Peer = {
      ...{ nodeId: self, publicKey: new Uint8Array(), certificates: [], tags: {} },
      ...{ identity: undefined, remoteAddress: "memory:1" },
    };
    return {
      call: async (nodeId, method, body, { signal }) => {
        const handlers = handlersOf(nodeId);
        await new Promise((resolve) => setTimeout(resolve, this.delayMs * 2));
        try {
          const answer = await handlers.onRequest?.({ peer, method, body, signal });
          handlersOf(nodeId);
          return answer as Uint8Array;
        } catch (error) {
          throw fromWireError(error);
        }
      },
      openStream: async (nodeId, method, header, signal) => {
        const handlers = handlersOf(nodeId);
        const check = () => {
          handlersOf(nodeId);
          if (signal.aborted) near.reset("MESH_CANCELLED", "cancelled");
        };
        const [near, far] = streamPair(peer, method, header, check);
        Promise.resolve(handlers.onStream?.(far)).catch((error: unknown) =>
          far.reset("FAILED", fromWireError(error).message, error as never),
        );
        return near;
      },
      wayTo: () => ({ relayed: false }),
    };
  }
}

/** Bytes in one direction; `check` throws when the node at either end is gone. */
class Pipe {
  readonly #pieces: Uint8Array[] = [];
  #isEnded = false;
  #failure: unknown;
  #wake: () => void = () => undefined;

  push(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#wake();
  }

  end(failure?: unknown): void {
    this.#isEnded = true;
    this.#failure ??= failure;
    this.#wake();
  }

  async *read(check: () => void): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const piece = this.#pieces.shift();
      if (piece !== undefined) {
        yield piece;
        continue;
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#isEnded) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, 5);
      });
      check();
    }
  }
}

function streamPair(peer: Peer, method: string, header: Uint8Array, check: () => void) {
  const [out, back] = [new Pipe(), new Pipe()];
  const abort = new AbortController();
  const end = (write: Pipe, read: Pipe): LinkStream => ({
    ...{ method, header, peer, signal: abort.signal },
    readable: read.read(check),
    write: async (bytes) => write.push(bytes),
    end: () => write.end(),
    reset: (_code, message, cause) => {
      const known = (cause as unknown) instanceof MeshError ? cause : undefined;
      const error = known ?? new MeshError("MESH_CANCELLED", { message });
      out.end(error);
      back.end(error);
      abort.abort(error);
    },
  });
  return [end(out, back), end(back, out)] as const;
}
