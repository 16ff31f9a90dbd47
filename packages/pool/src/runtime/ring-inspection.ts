/** What people ask about rings and machines: what is loaded where, and how fast it really is. */
import type { NodeId } from "@hearthmesh/core";
import type { GenerationTimings } from "../ring/generation.js";
import type { Span } from "../shards/shard.js";
import type { Placement } from "./inference-service.js";

export interface LoadedRing {
  readonly model: string;
  readonly modelId: string;
  readonly ringId: string;
  readonly epoch: number;
  /** Of its life: `preparing`, `joining`, `ready`. */
  readonly state: string;
  readonly placement: Placement;
  readonly running: number;
  readonly members: readonly {
    readonly nodeId: NodeId;
    readonly name: string;
    readonly columns: Span;
    readonly memoryBytes: number;
  }[];
}

interface HeldShard {
  readonly ringId: string;
  readonly modelId: string;
  readonly epoch: number;
  readonly leader: NodeId;
  readonly leaderName: string;
  readonly memoryBytes: number;
  readonly state: string;
  /** Of the model's file, while it is pulled and after. */
  readonly pulledBytes: number | undefined;
  readonly wantedBytes: number | undefined;
}

export interface NodeRings {
  /** Why this node runs no models itself; undefined: it does. */
  readonly unavailable: string | undefined;
  /** That this node leads. */
  readonly led: readonly LoadedRing[];
  /** What this node holds, for itself and for others. */
  readonly held: readonly HeldShard[];
}

export interface EngineBench {
  readonly engine: string;
  readonly threads: number;
  /** Weights, as the planner counts them. */
  readonly bytesPerSecond: number;
}

export interface LinkBench {
  readonly node: string;
  readonly relayed: boolean;
  readonly rounds: number;
  readonly roundTripMsLeast: number;
  readonly roundTripMsP50: number;
  /** From here to there. */
  readonly bytesPerSecond: number;
  readonly sentBytes: number;
}

export interface RingBenchRow {
  readonly placement: Placement;
  readonly names: readonly string[];
  /** Why it could not be measured; undefined: it was. */
  readonly failure: string | undefined;
  readonly predictedTokensPerSecond: number | undefined;
  readonly tokensPerSecond: number | undefined;
  readonly completionTokens: number;
  readonly timings: GenerationTimings | undefined;
  readonly exchangeMsP50: number | undefined;
  readonly exchangeMsP99: number | undefined;
}

export interface RingInspection {
  rings(): Promise<NodeRings>;
  /** Measures the engine of this machine with so many threads; undefined: as it is configured. */
  benchEngine(threads: number | undefined, signal: AbortSignal): Promise<EngineBench>;
  /** Round trips and throughput to a member by name or id, and keeps them for plans. */
  benchLink(node: string, signal: AbortSignal): Promise<LinkBench>;
  /** Answers a fixed prompt whole and split, as far as each can be done. */
  benchRing(
    model: string | undefined,
    tokens: number,
    signal: AbortSignal,
  ): Promise<readonly RingBenchRow[]>;
}
