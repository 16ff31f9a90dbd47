/** The two keys of an election and their values. */
import { canonicalJson, MeshError } from "@hearthmesh/core";
import { parseJsonValue } from "../operations.js";
import type { KeyValue, Store } from "../types.js";
import type { SeenLeader, Sight } from "./election-events.js";
import { ELECTION_DATA_BYTES_MAX } from "./limits.js";

/** Who leads; it lives with the leader's lease. */
export const ELECTION_LEADER_KEY = "coordinator/leader";
/** The last epoch that was given, as decimal text. It stays, and only grows. */
export const ELECTION_EPOCH_KEY = "coordinator/epoch";

export interface LeaderRecord {
  readonly nodeId: string;
  readonly session: string;
  readonly epoch: number;
  readonly data: unknown;
}

/** Canonical JSON; `MESH_LIMIT` or `MESH_BAD_REQUEST` when the candidate's data does not do. */
export function encodeLeader(record: LeaderRecord): Uint8Array {
  const data: string | undefined = canonicalJson(record.data);
  if (data === undefined) {
    throw new MeshError("MESH_BAD_REQUEST", { message: "a candidate's data must be JSON" });
  }
  if (Buffer.byteLength(data, "utf8") > ELECTION_DATA_BYTES_MAX) {
    const message = `a candidate's data may have ${ELECTION_DATA_BYTES_MAX} bytes of JSON`;
    throw new MeshError("MESH_LIMIT", { message });
  }
  return new TextEncoder().encode(canonicalJson(record));
}

/** A value that nobody can read still is a leader: of epoch 0, without a name. */
function decodeLeader(entry: KeyValue): SeenLeader {
  const { modRevision, leaseId } = entry;
  const nobody = { nodeId: "", session: "", epoch: 0, data: null, modRevision, leaseId };
  let parsed: unknown;
  try {
    parsed = parseJsonValue(entry.value);
  } catch {
    return nobody;
  }
  const { nodeId, session, epoch, data } = (parsed ?? {}) as Partial<LeaderRecord>;
  if (typeof nodeId !== "string" || typeof session !== "string") return nobody;
  if (!Number.isSafeInteger(epoch) || epoch === undefined) return nobody;
  return { ...nobody, nodeId, session, epoch, data: data ?? null };
}

/** The epoch that comes after the one that is kept; `MESH_STORE_CORRUPT` when it is no number. */
export function epochAfter(entry: KeyValue | undefined): number {
  if (entry === undefined) return 1;
  const text = Buffer.from(entry.value).toString("latin1");
  const epoch = Number(text) + 1;
  if (/^[0-9]{1,15}$/.test(text)) return epoch;
  throw new MeshError("MESH_STORE_CORRUPT", {
    message: `the value of ${ELECTION_EPOCH_KEY} is not a number`,
  });
}

export function encodeEpoch(epoch: number): Uint8Array {
  return new TextEncoder().encode(String(epoch));
}

export function sightOf(entry: KeyValue | undefined, revision: number): Sight {
  return { revision, leader: entry === undefined ? undefined : decodeLeader(entry) };
}

/** A range, because its answer has the revision also when there is no key. */
export async function lookAtLeader(store: Store): Promise<Sight> {
  const { entries, revision } = await store.range({ prefix: ELECTION_LEADER_KEY });
  return sightOf(
    entries.find((entry) => entry.key === ELECTION_LEADER_KEY),
    revision,
  );
}
