/** What the doors (HTTP, CLI) ask of the pool. */
import type { NodeId } from "@hearthmesh/core";
import type { GenerateRequest, GenerationEvent } from "../ring/generation.js";
import type { RingWorkerStats } from "../ring/ring-worker.js";

export interface InferenceRequest extends GenerateRequest {
  /** Name or id; undefined: the only model, else the demo model. */
  readonly model: string | undefined;
  /** Names or ids of nodes: no other one may see the prompt. Undefined: all of the pool. */
  readonly onlyMembers: readonly string[] | undefined;
}

/** R: the whole request to one member. T: split by tensors. P, the pipeline, comes later. */
export type Placement = "R" | "T" | "P";

export interface PlacementRow {
  readonly placement: Placement;
  readonly nodeIds: readonly NodeId[];
  readonly names: readonly string[];
  /** Undefined when it cannot be done; `reason` says why. */
  readonly tokensPerSecond: number | undefined;
  readonly memoryBytesPerMember: readonly number[];
  readonly reason: string;
}

export interface PlanExplanation {
  readonly model: string;
  readonly chosen: PlacementRow | undefined;
  readonly rows: readonly PlacementRow[];
  readonly leftOut: readonly { readonly name: string; readonly reason: string }[];
  /** What it was predicted from, measured on the machines. */
  readonly measured: readonly {
    readonly name: string;
    readonly bandwidthBytesPerSecond: number;
    readonly memoryBytes: number;
    readonly roundTripMs: number | undefined;
  }[];
}

export interface InferenceStats {
  readonly jobsCompleted: number;
  readonly jobsFailed: number;
  readonly jobsRunning: number;
  readonly jobsWaiting: number;
  readonly tokensGenerated: number;
  readonly promptTokens: number;
  /** Of finished jobs, decoding alone; undefined before the first. */
  readonly tokensPerSecond: number | undefined;
  readonly models: readonly {
    readonly model: string;
    readonly placement: Placement;
    readonly members: readonly string[];
    readonly worker: RingWorkerStats;
  }[];
}

export interface InferenceService {
  generate(request: InferenceRequest, signal: AbortSignal): AsyncIterable<GenerationEvent>;
  explain(model: string | undefined, signal: AbortSignal): Promise<PlanExplanation>;
  stats(signal: AbortSignal): Promise<InferenceStats>;
}
