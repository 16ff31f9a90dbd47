/**
 * The process that owns an engine, the tensor plane and, on the leader, the requests. The agent
 * (the daemon) hands it plans; it never decides who belongs to a ring.
 */
import type { MeshError, NodeId } from "@hearthmesh/core";
import type { EngineStats } from "../engine/shard-engine.js";
import type { GenerateRequest, GenerationEvent } from "./generation.js";
import type { RingPlan } from "./ring-plan.js";

export interface RingFailure {
  readonly epoch: number;
  /** Who did not answer, or answered wrongly; undefined when it was this process itself. */
  readonly nodeId: NodeId | undefined;
  readonly error: MeshError;
}

/** Of the plan that is loaded, since it was. */
export interface RingWorkerStats {
  readonly epoch: number;
  readonly engine: EngineStats;
  readonly tokensGenerated: number;
  readonly promptTokens: number;
  readonly exchanges: number;
  readonly exchangeMs: number;
  readonly computeMs: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly connectionsOpen: number;
  readonly replays: number;
  /** Round trips of exchanges: nearest-rank percentiles of the last ones. */
  readonly exchangeMsP50: number;
  readonly exchangeMsP99: number;
}

export interface RingWorker {
  /** Where its tensor plane listens. */
  readonly port: number;
  /** Undefined while its process does not live. */
  readonly processId: number | undefined;
  /**
   * Loads what the plan gives to this member and joins the others; resolves when all are joined.
   * Requests that were under way go on from their token logs. A plan of an older epoch is refused
   * with `MESH_EPOCH_OLD`. Loading the same shard again takes nothing from the disk.
   */
  load(plan: RingPlan, modelPath: string, signal: AbortSignal): Promise<void>;
  /**
   * On the leader alone. Requests wait for each other fairly, each with a cache of its own. Ends
   * the iteration early: cancelled. Errors: `MESH_LIMIT`, `MESH_CONTEXT_TOO_LONG`,
   * `MESH_ENGINE_FAILED`, `MESH_CANCELLED`.
   */
  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<GenerationEvent>;
  /** A member, or this process, failed in this epoch. The agent answers with a plan. */
  onFailure(listener: (failure: RingFailure) => void): () => void;
  stats(): Promise<RingWorkerStats>;
  /** Ends the process at once, as a crash would: `onFailure` tells. For one that hangs. */
  kill(): void;
  close(): Promise<void>;
}
