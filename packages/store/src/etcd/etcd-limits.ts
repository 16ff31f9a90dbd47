/** Limits and times of the etcd engine, with their units; those of every engine are in core. */
import { limits } from "@hearthmesh/core";

/** One answer of etcd; a chunk of a range is the largest (`RANGE_CHUNK_ENTRIES`). */
export const RECEIVE_BYTES_MAX = 160 << 20;
/**
 * Entries of the first part of a page. Its size is not known yet: at the largest, values of 1 MiB,
 * it is 64 MiB.
 */
export const RANGE_CHUNK_ENTRIES = 64;
/** Bytes that the further parts of a page aim at. */
export const RANGE_CHUNK_BYTES = 8 << 20;
/** How often a range is begun again when its revision is compacted while it is read. */
export const RANGE_ATTEMPTS_MAX = 8;
/** Endpoints of one cluster. */
export const ENDPOINTS_MAX = 64;
/** Bytes of the key prefix. */
export const KEY_PREFIX_BYTES_MAX = 256;

/** A call that was not answered in this time has failed. */
export const REQUEST_TIMEOUT_MS = 5_000;
/** A read that was not answered in this time is asked at another endpoint. */
export const READ_ATTEMPT_MS = 2_000;
/** Calls wait for this long and nothing at all came: new ones go to another endpoint. */
export const STALL_MS = 1_500;
/** How often calls under way are looked at. */
export const SWEEP_MS = 250;
/** An endpoint that was left is the last choice for this long. */
export const AVOID_MS = 3_000;
/** Connecting to an endpoint, with the first question. */
export const CONNECT_TIMEOUT_MS = 2_000;
/** The next endpoint is tried beside the one that has not answered by then. */
export const CONNECT_STAGGER_MS = 250;
/** Pauses between two attempts: the first, and the longest. */
export const RETRY_FIRST_MS = 25;
export const RETRY_LONGEST_MS = 400;
/** Pauses of a watch between two attempts to connect. */
export const WATCH_RETRY_LONGEST_MS = 2_000;
/**
 * HTTP/2 pings while calls are under way. etcd's server ends connections that ping more often than
 * every 5 s.
 */
export const KEEPALIVE_TIME_MS = 6_000;
export const KEEPALIVE_TIMEOUT_MS = 3_000;
/** Attempts to log in again before a call fails with `MESH_UNAUTHENTICATED`. */
export const LOGIN_ATTEMPTS_MAX = 3;

/** Calls of the operator that copy or rewrite the whole database. */
export const MAINTENANCE_TIMEOUT_MS = 600_000;

/** Most that a server of ours is asked at once: the largest transaction, twice, and its frame. */
const REQUEST_BYTES = 2 * limits.STORE_TXN_BYTES_MAX + (1 << 20);
/**
 * Operations and compares of one branch, and one more for each transaction that is nested in
 * another: a guard, and every compare "value is not".
 */
const TXN_OPERATIONS = 4 * limits.STORE_TXN_OPERATIONS_MAX;

/**
 * What an etcd server needs so that every transaction within our limits fits it. A cluster without
 * them works too; what is beyond its own limits fails there with `MESH_STORE_TXN_TOO_LARGE`.
 */
export const ETCD_SERVER_LIMIT_FLAGS: readonly string[] = [
  `--max-request-bytes=${REQUEST_BYTES}`,
  `--max-txn-ops=${TXN_OPERATIONS}`,
];
