/** What the coordinator knows about each node, and how that becomes a `NodeInfo`. */
import type { MemberId, NodeId } from "@hearthmesh/core";
import type { NodeRole, Principal } from "@hearthmesh/identity";
import type { Link } from "@hearthmesh/qwormhole";
import type { DamageSeen, NodeInfo, StorageReport } from "../types.js";
import type { DrainProgress } from "./drain-watch.js";

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
  /** Steady clock: when its own word changed the layout last, in this run. */
  correctedMs?: number | undefined;
}

export function isStorage(state: NodeState): boolean {
  return state.record.roles.includes("storage");
}

/**
 * `drain`: how far it is, when it should give away what it has. `standing`: how long it has been
 * away, which is told while it is, and what the layout says of it.
 */
export function infoOf(
  state: NodeState,
  memberId: MemberId,
  drain: DrainProgress | undefined,
  standing: {
    readonly awayMs: number;
    readonly isLost: boolean;
    readonly isQuarantined: boolean;
    readonly damageSeen: DamageSeen | undefined;
  },
): NodeInfo {
  const { record } = state;
  const { nodeId, name, roles, addresses, version, lastSeenMs, report } = record;
  const left = state.link === undefined ? undefined : drain?.chunksLeft;
  return {
    nodeId,
    name,
    memberId,
    roles,
    addresses,
    version,
    state: stateOf(state, drain),
    lastSeenMs,
    ...(state.link === undefined ? { awayMs: standing.awayMs } : {}),
    ...(state.link === undefined && standing.isLost ? { isLost: true } : {}),
    ...(standing.isQuarantined ? { isQuarantined: true } : {}),
    ...(standing.damageSeen === undefined ? {} : { damageSeen: standing.damageSeen }),
    // What it has reported since may be less than what the last walk saw.
    ...(left === undefined ? {} : { drainChunksLeft: Math.min(left, report?.chunkCount ?? left) }),
    ...(report === undefined ? {} : { storage: report }),
  };
}

function stateOf(state: NodeState, drain: DrainProgress | undefined): NodeInfo["state"] {
  if (state.link === undefined) return "offline";
  if (drain === undefined || !isStorage(state)) return "online";
  return drain.drained ? "drained" : "draining";
}

export function isMachine(identity: unknown): identity is Principal {
  const kind = (identity as Partial<Principal> | null | undefined)?.kind;
  return kind === "node" || kind === "coordinator";
}
