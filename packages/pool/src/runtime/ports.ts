/** What the runtime needs of the node around it. */
import type { Clock, Logger, NodeId, Random } from "@hearthmesh/core";
import type { LinkStream } from "@hearthmesh/qwormhole";
import type { EngineSizes } from "../engine/engine-memory.js";
import type { ByteRange, ModelLibrary, ModelRecord } from "../models/model-library.js";
import type { RingWorker } from "../ring/ring-worker.js";
import type { Shard } from "../shards/shard.js";

/** A node that may run models with this one. */
export interface AgentMember {
  readonly nodeId: NodeId;
  readonly name: string;
  readonly isSelf: boolean;
  readonly isOnline: boolean;
}

/** The members of all pools of this node, in the order of the ring; itself when it has none. */
export interface AgentMembers {
  list(): readonly AgentMember[];
  /** Whether both belong to one pool with this node. */
  isPeer(nodeId: NodeId): boolean;
  onChange(listener: () => void): () => void;
}

/** Verified links to the agents of other nodes; what fails is a `MeshError`. */
export interface AgentLinks {
  call(
    nodeId: NodeId,
    method: string,
    body: Uint8Array,
    options: { signal: AbortSignal; timeoutMs: number },
  ): Promise<Uint8Array>;
  openStream(
    nodeId: NodeId,
    method: string,
    header: Uint8Array,
    signal: AbortSignal,
  ): Promise<LinkStream>;
  /** Undefined: no link is open. */
  wayTo(nodeId: NodeId): { readonly relayed: boolean } | undefined;
}

/** What this machine can do. */
export interface HostMeasures {
  /** Why this node runs no model, such as by its configuration; undefined: it does. */
  readonly unavailable: string | undefined;
  /** Free for models now, without what the runtime itself could let go of. */
  memoryBytes(): number;
  /** Weights that the engine works through per second; measured once, in a process of its own. */
  bandwidth(signal: AbortSignal): Promise<{ bytesPerSecond: number; measuredAtMs: number }>;
  /** CPU time that a process has used; undefined where the system does not tell. */
  cpuMs(processId: number): Promise<number | undefined>;
}

export interface HeldWorker {
  readonly worker: RingWorker;
  /** `host:port` of its tensor plane, best first. */
  readonly endpoints: readonly string[];
  close(): Promise<void>;
}

/** Starts the process of a shard; nothing of the engine is loaded before. */
export type StartWorker = (memoryBytesMax: number, signal: AbortSignal) => Promise<HeldWorker>;

/** Small records in the node's home; unreadable ones count as absent. */
export interface AgentRecords {
  read(name: "epochs" | "history"): Promise<unknown>;
  write(name: "epochs" | "history", value: object): Promise<void>;
}

export interface AgentPorts {
  readonly self: { readonly nodeId: NodeId; readonly name: string };
  readonly members: AgentMembers;
  readonly links: AgentLinks;
  readonly library: ModelLibrary;
  /** Bytes of the file that a shard needs. */
  readonly rangesOf: (
    model: ModelRecord,
    shard: Shard,
    signal: AbortSignal,
  ) => Promise<readonly ByteRange[]>;
  readonly host: HostMeasures;
  readonly startWorker: StartWorker;
  readonly records: AgentRecords;
  /** Of every engine; the context is cut to what a model was trained for. */
  readonly sizes: EngineSizes;
  /** A model that nobody asked for so long is unloaded. */
  readonly idleUnloadMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}
