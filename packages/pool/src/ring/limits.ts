/** Every named maximum of the ring, with its unit. */

/** Members of one ring: each holds a socket to every other one. */
export const RING_MEMBERS_MAX = 64;
/** Exchanges that a peer may be ahead: it waits for us in one of two, so it is ahead by two. */
export const EXCHANGES_AHEAD_MAX = 4;
/** Steps of the leader that wait at a follower. */
export const STEPS_WAITING_MAX = 256;
/** Rows of one prefill chunk. */
export const CHUNK_ROWS_MAX = 256;
/** Candidates of one member in a result; above it the whole logits travel. */
export const CANDIDATES_MAX = 1024;
/** Connections that one listener of a tensor plane holds before their HELLO. */
export const CONNECTIONS_WAITING_MAX = 64;
/** A TLS handshake, and the HELLO after it. */
export const HANDSHAKE_MS_MAX = 5_000;
/** Between two attempts to reach a member that is not ready yet. */
export const DIAL_RETRY_MS = 50;
export const DIAL_RETRY_MS_MAX = 1_000;
/** Until all members of a plan are joined, from when this one has loaded its shard: at most. */
export const JOIN_MS_MAX = 300_000;
/** The same of a small model; of a larger one, what a member with a slow disk takes beside it. */
export const JOIN_MS_MIN = 30_000;
export const LOAD_BYTES_PER_SECOND_MIN = 10e6;
/** A member that sends nothing in an exchange for this long is lost, at the least. */
export const EXCHANGE_DEADLINE_MS_MIN = 1_000;
/** The same for the first exchanges of an epoch, when caches are cold and nothing is known. */
export const EXCHANGE_DEADLINE_MS_FIRST = 10_000;
/** Exchanges after which the slowest of the last ones are known well enough. */
export const EXCHANGES_FIRST = 64;
/** The deadline in times of the 99th percentile. */
export const EXCHANGE_DEADLINE_FACTOR = 8;
/** The deadline in times of what this member itself took to compute: slower machines are rare. */
export const EXCHANGE_DEADLINE_COMPUTE_FACTOR = 16;
/** Exchanges whose round trips are kept for percentiles. */
export const EXCHANGES_REMEMBERED_MAX = 512;
/** Requests that wait for a sequence of their own. */
export const REQUESTS_WAITING_MAX = 256;
/** Events of one request that the agent has not taken yet; at it, the request waits. */
export const EVENTS_UNTAKEN_MAX = 64;
/** Requests wait so long for a new plan after a member was lost. */
export const REPLAN_MS_MAX = 120_000;
/** A worker process has so long to say that it is there, and to end when it is told to. */
export const WORKER_START_MS_MAX = 30_000;
export const WORKER_STOP_MS_MAX = 3_000;
/** Heap of JavaScript in a worker; weights and caches are outside of it. */
export const WORKER_HEAP_MEBIBYTES_MAX = 512;
/** Between two looks at whether a member is late. */
export const WATCH_INTERVAL_MS = 100;
/** A member that waits for one row looks for it without sleeping for so long. */
export const POLL_MS_MAX = 0.5;
/** Exchanges of one row with which polling is tried, and for which the better way is kept. */
export const POLL_TRIAL_EXCHANGES = 256;
export const POLL_KEPT_EXCHANGES = 4096;
