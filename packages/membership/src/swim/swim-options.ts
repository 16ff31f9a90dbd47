/** What a `SwimMachine` is made with, and how it tells of others. */
import type { SwimConfig } from "./config.js";
import type { MemberState } from "./member-table.js";
import type { NodeRecord } from "./messages.js";

export interface SwimOptions {
  readonly config: SwimConfig;
  readonly self: Pick<NodeRecord, "nodeId" | "name" | "address" | "meta">;
  /** Above that of earlier lives when it is known; otherwise the others tell. Default 1. */
  readonly incarnation?: number;
  sign(record: Omit<NodeRecord, "proof">): NodeRecord;
  verify(record: NodeRecord): boolean;
  /** Uniform in [0, 1). */
  random(): number;
}

/** A node and what is believed of it. */
export interface KnownMember {
  readonly record: NodeRecord;
  readonly state: MemberState;
}
