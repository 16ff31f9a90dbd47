/** What the election asks of the store: campaigns, renewals, and giving a lease back. */
import { isMeshError, MeshError } from "@hearthmesh/core";
import { expectRevision, put, read } from "../operations.js";
import type { Lease, Store } from "../types.js";
import type { ElectionEvent } from "./election-events.js";
import {
  ELECTION_EPOCH_KEY,
  ELECTION_LEADER_KEY,
  encodeEpoch,
  encodeLeader,
  epochAfter,
  lookAtLeader,
  sightOf,
} from "./leader-record.js";

export interface CandidateOptions {
  readonly store: Store;
  readonly nodeId: string;
  readonly session: string;
  readonly leaseTimeMs: number;
  readonly data: () => unknown;
}

/** Raises the epoch and writes the leader key in one transaction, when nobody was faster. */
export async function campaign(
  options: CandidateOptions,
  lease: Lease,
  attempt: number,
  replaces: number,
): Promise<ElectionEvent> {
  const { store, nodeId, session } = options;
  const present = await store.get(ELECTION_EPOCH_KEY);
  const epoch = epochAfter(present);
  const data = options.data();
  const { succeeded, revision, results } = await store.transact({
    compare: [
      expectRevision(ELECTION_LEADER_KEY, replaces),
      expectRevision(ELECTION_EPOCH_KEY, present?.modRevision ?? 0),
    ],
    success: [
      put(ELECTION_LEADER_KEY, encodeLeader({ nodeId, session, epoch, data }), lease.id),
      put(ELECTION_EPOCH_KEY, encodeEpoch(epoch)),
    ],
    failure: [read(ELECTION_LEADER_KEY)],
  });
  if (succeeded) {
    const leader = { nodeId, session, epoch, data, modRevision: revision, leaseId: lease.id };
    return { type: "won", attempt, leader };
  }
  const [found] = results;
  const entry = found?.type === "get" ? found.entry : undefined;
  return { type: "beaten", attempt, sight: sightOf(entry, revision) };
}

/** Only an answer of both says that this node leads: the lease lives, and the key is its own. */
export async function renew(store: Store, lease: Lease, renewal: number): Promise<ElectionEvent> {
  try {
    const [sight] = await Promise.all([lookAtLeader(store), lease.keepAlive()]);
    return { type: "renewed", renewal, sight };
  } catch (error) {
    const leaseEnded = isMeshError(error, "MESH_STORE_LEASE_UNKNOWN");
    return { type: "renewalFailed", renewal, leaseEnded };
  }
}

/** A lease of at least the time that the leader counts on. */
export async function grantElectionLease(options: CandidateOptions): Promise<Lease> {
  const lease = await options.store.grantLease(options.leaseTimeMs);
  if (lease.ttlMs >= options.leaseTimeMs) return lease;
  await lease.revoke().catch(() => undefined);
  throw new MeshError("MESH_STORE_UNAVAILABLE", {
    message: `the store grants leases of ${lease.ttlMs} ms only, not of ${options.leaseTimeMs} ms`,
  });
}
