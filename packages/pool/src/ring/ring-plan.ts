/** Who computes what for one model, from one moment on: what a new epoch changes. */
import type { NodeId } from "@hearthmesh/core";
import type { Shard } from "../shards/shard.js";

export interface RingPlanMember {
  readonly nodeId: NodeId;
  /** For people. */
  readonly name: string;
  readonly shard: Shard;
  /** Where its tensor plane answers, `host:port`, best first. */
  readonly endpoints: readonly string[];
}

export interface RingPlan {
  readonly v: 1;
  /** Higher than that of any plan before it; frames of other epochs are dropped. */
  readonly epoch: number;
  /** Hash of the model's content, hexadecimal. */
  readonly modelId: string;
  /** Tokens of one sequence: what the smallest member has room for. */
  readonly contextTokens: number;
  /** In the order of the ring. One member alone is a plan too. */
  readonly members: readonly RingPlanMember[];
  /** The member that takes the requests, samples and keeps the token log. */
  readonly leader: NodeId;
}
