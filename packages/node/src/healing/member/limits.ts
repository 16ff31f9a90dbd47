/** Marks and times of the healing of a member, with their units. */

/** A store of chunks is filling above this share of what it may use, and no longer below. */
export const STORE_FILLING_SHARE = 0.9;
export const STORE_FILLING_OVER_SHARE = 0.85;
export const STORE_FULL_SHARE = 0.98;
export const STORE_FULL_OVER_SHARE = 0.95;
/** What an evacuation aims at. */
export const STORE_WANTED_SHARE = 0.75;
/** A node gets its share back when it would be below this with it. */
export const STORE_GIVE_BACK_SHARE = 0.7;
/** Others take over only as long as they stay below this. */
export const STORE_OTHERS_SHARE = 0.85;
/** Less than this part of what a node offers is not asked of it. */
export const WEIGHT_SHARE_MIN = 0.2;

/** The file system of a node's home is filling, or full, with less free than both of these. */
export const HOME_FILLING = { freeShare: 0.1, freeBytes: 16 * 2 ** 30 };
export const HOME_FULL = { freeShare: 0.02, freeBytes: 2 ** 30 };
/** It has to have so much more before it counts as well again. */
export const HOME_OVER_FACTOR = 1.25;
/** The file system is asked this often. */
export const HOME_LOOK_MS = 5_000;

/** Damaged chunks of one node within a day. One or two are what disks do. */
export const CORRUPT_CHUNKS_MIN = 3;
/** Chunks that a scrub in quarantine must have verified before the node is believed again. */
export const QUARANTINE_VERIFIED_MIN = 3;

/** A key is set and read back this often while all is well, and while it is not. */
export const STORE_PROBE_MS = 5_000;
export const STORE_PROBE_AGAIN_MS = 1_000;
export const STORE_PROBE_MS_MAX = 3_000;
/** A key that is taken within this is proof that no new connections are needed. */
export const STORE_BACK_MS = 1_000;
/** The store is slow when the median of this many probes takes longer than that. */
export const STORE_SLOW_PROBES = 3;
export const STORE_SLOW_MS = 1_000;
/** Above this, the event loop of the leading coordinator is too late for it to lead well. */
export const LEADER_LAG_MS = 1_000;
/** What was seen of the leader counts for so long: who stands still is well in between. */
export const LEADER_SIGHT_MS = 5_000;
/** So long it stands among what is open that another one leads. */
export const LEAD_CHANGE_TOLD_MS = 60_000;
/** Who stepped down stands again after this many lease times. */
export const STEP_DOWN_LEASES = 4;

/** How long a remedy watches what it started before it tells how far that is. */
export const WORKER_WATCH_MS = 20_000;
export const WORKER_LOOK_MS = 100;
/** Steps of one compaction: each is bounded, and a pack is 256 MiB at most. */
export const COMPACTION_STEPS_MAX = 64;
/** Log files of a node are cut to the newest bytes when the disk is filling. */
export const LOG_CUT_BYTES_MIN = 16 << 20;
export const LOG_KEPT_BYTES = 4 << 20;
/** A member that came back has to stay so long before a ring is planned anew for it. */
export const RING_BACK_HOLD_MS = 5_000;
/** A ring at rest that was slow is measured anew after this. */
export const RING_SLOW_HOLD_MS = 10_000;
