/** What the doors (HTTP, CLI) ask of the pool. */
import type { NodeId } from "@hearthmesh/core";
import type { GenerateRequest, GenerationEvent } from "../ring/generation.js";
import type { RingWorkerStats } from "../ring/ring-worker.js";

export interface InferenceRequest extends GenerateRequest {
  /** Name or id; undefined: the only model, else the demo model. */
  readonly model: string | undefined;
  /** Names or ids of nodes: no other one may see the prompt. Undefined: all of the pool. */
  readonly onlyMembers: readonly string[] | undefined;
  /** Whole or split, whatever the planner would choose; for tests and measurements. */
  readonly placement?: Placement | undefined;
}

/** What a plan is asked for; everything is free when it is left out. */
export interface PlanOptions {
  readonly onlyMembers?: readonly string[] | undefined;
  readonly placement?: Placement | undefined;
  /** Tokens of one sequence; undefined: as this node is configured. */
  readonly contextTokens?: number | undefined;
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
    /** Since it was measured. */
    readonly ageMs: number;
  }[];
  /** Memory that is missing over all members when nothing was chosen for that reason. */
  readonly missingBytes: number | undefined;
  /** Why, in sentences with numbers. */
  readonly text: readonly string[];
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
  /** Asks the members for their measurements and plans; loads nothing. */
  explain(
    model: string | undefined,
    signal: AbortSignal,
    options?: PlanOptions,
  ): Promise<PlanExplanation>;
  /** Of this node. */
  stats(signal: AbortSignal): Promise<InferenceStats>;
}
