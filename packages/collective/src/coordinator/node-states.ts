/** What the coordinator knows about each node, and how that becomes a `NodeInfo`. */
import type { MemberId, NodeId } from "@hearthmesh/core";
import type { NodeRole, Principal } from "@hearthmesh/identity";
import type { Link } from "@hearthmesh/qwormhole";
import type { Layout, NodeInfo, StorageReport } from "../types.js";

/** Kept in the store, so that a node that is away is still known after a restart. */
export interface NodeRecord {
  readonly v: 1;
  readonly nodeId: NodeId;
  /** From its certificate. */
  readonly name: string;
  readonly roles: readonly NodeRole[];
  readonly site: string;
  readonly addresses: readonly string[];
  readonly version: string;
  readonly lastSeenMs: number;
  readonly report?: StorageReport;
  /** Taken out by the operator: it gets no chunks, also when it registers again. */
  readonly removed?: boolean;
}

export interface NodeState {
  record: NodeRecord;
  /** The link on which it registered, while that is open. */
  link: Link | undefined;
  /** Steady clock: since when it has been away, or the start of this run. */
  awaySinceMs: number;
}

export function isStorage(state: NodeState): boolean {
  return state.record.roles.includes("storage");
}

export function infoOf(state: NodeState, memberId: MemberId, layout: Layout): NodeInfo {
  const { record } = state;
  const { nodeId, name, roles, addresses, version, lastSeenMs, report } = record;
  return {
    nodeId,
    name,
    memberId,
    roles,
    addresses,
    version,
    state: stateOf(state, layout),
    lastSeenMs,
    ...(report === undefined ? {} : { storage: report }),
  };
}

/** A storage node outside the layout still has chunks, until they are elsewhere. */
function stateOf(state: NodeState, layout: Layout): NodeInfo["state"] {
  if (state.link === undefined) return "offline";
  const placed = layout.nodes.some((node) => node.nodeId === state.record.nodeId);
  return isStorage(state) && !placed ? "draining" : "online";
}

export function isMachine(identity: unknown): identity is Principal {
  const kind = (identity as Partial<Principal> | null | undefined)?.kind;
  return kind === "node" || kind === "coordinator";
}
