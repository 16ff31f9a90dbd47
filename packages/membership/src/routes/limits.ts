/** Every named maximum and time of the routes, with its unit. */
import { limits } from "@hearthmesh/core";

/** Direct links that a node announces; it has more only when it is a very large hub. */
export const ANNOUNCED_NEIGHBOURS_MAX = 256;
/** Services that a node announces, and all of them in an announcement. */
export const ANNOUNCED_SERVICES_MAX = limits.SERVICES_PER_NODE_MAX;
export const SERVICES_BYTES_MAX = 22 * 1024;
/** In characters of printable ASCII. */
export const SERVICE_NAME_BYTES_MAX = 63;
export const SERVICE_CAPABILITIES_MAX = limits.CAPABILITIES_MAX;
export const SERVICE_CAPABILITY_BYTES_MAX = limits.CAPABILITY_BYTES_MAX;
export const SERVICE_LOAD_MAX = 0xffff_ffff;
/** One announcement with its signature. What the limits above allow fits (a test holds it). */
export const ANNOUNCEMENT_BYTES_MAX = 32 * 1024;
/** A round trip is announced in tenths of a millisecond, up to a minute. */
export const ROUND_TRIP_MS_MAX = 60_000;
/** What a link counts as that has not been measured yet: above a LAN, below a bad way. */
export const ROUND_TRIP_MS_UNKNOWN = 50;
/** Epochs begin as milliseconds since 1970 and go up by one; 2^48 ms is the year 10889. */
export const EPOCH_MAX = 2 ** 48;

/** Nodes whose announcements are kept, this node and those that are gone included. */
export const ROUTE_NODES_MAX = limits.NODES_MAX;
/** Announcements in memory, in all. */
export const ANNOUNCEMENTS_BYTES_MAX = 16 << 20;
/** Announcements that wait for the key of their node, one for each node. */
export const PENDING_ANNOUNCEMENTS_MAX = 128;
export const PENDING_BYTES_MAX = 1 << 20;
/** One request of `route.announce`. */
export const ANNOUNCE_BATCH_BYTES_MAX = 512 * 1024;
/** After so many that are refused, the rest of a batch is not looked at. */
export const BATCH_REFUSALS_MAX = 16;

/** Changes of links within this time become one announcement. */
export const ISSUE_COALESCE_MS = 50;
/** Announcements for changed round trips alone are at least this far apart. */
export const ROUND_TRIP_DAMP_MS = 5_000;
/** A round trip is announced again when it moved by more than both of these. */
export const ROUND_TRIP_CHANGE_SHARE = 0.25;
export const ROUND_TRIP_CHANGE_MS = 2;
/** Announcements for changed services, and for their load alone. */
export const SERVICES_DAMP_MS = 1_000;
export const LOAD_DAMP_MS = 10_000;
/** An announcement is made again after this time although nothing has changed. */
export const RENEWAL_MS = 300_000;
/** Without a newer one, an announcement ends after this time. */
export const ANNOUNCEMENT_LIFE_MS = 900_000;
/** The number of an ended one is remembered for this time, so that it does not come back. */
export const TOMBSTONE_MS = 900_000;
/** The announcement of a dead node is kept for this time, in case that it comes back. */
export const DEAD_KEEP_MS = 60_000;
/** How often ended announcements are looked for, and waiting ones tried again. */
export const SWEEP_MS = 10_000;
/** Views are compared with one neighbour at a time. */
export const DIGEST_MS = 10_000;
/** After a failed send, the views are compared this much later. */
export const RESYNC_MS = 2_000;

/** Own announcements: this many at once, then one for each second. */
export const ISSUE_BURST = 16;
export const ISSUE_PER_SEC = 1;
/** What others may send of one node; above it they wait for the next comparison of views. */
export const ACCEPT_BURST = 64;
export const ACCEPT_PER_SEC = 4;

/** Added for each hop when ways are compared, so that equal ways prefer fewer relays. */
export const HOP_PENALTY_MS = 1;
/** Ways that are kept beside the best one. */
export const ALTERNATIVES_MAX = 3;
/** Links of one way; a node whose best way is longer counts as out of reach. */
export const PATH_HOPS_MAX = 16;
/** Targets times edges up to which `routes()` looks for disjoint ways to every target. */
export const DISJOINT_WORK_MAX = 30_000;
/** How long a next hop may be avoided. */
export const AVOID_MS_MAX = 300_000;
/** How often the runtime reads the round trips of its links. */
export const MEASURE_MS = 2_000;
/** A request of `route.*` gives up after this time. */
export const SEND_TIMEOUT_MS = 10_000;
/** Changes within this time are told to listeners once. */
export const CHANGE_COALESCE_MS = 20;
/** What a neighbour may send that is forged or malformed: at once, and for each second. */
export const REFUSALS_BURST = 64;
export const REFUSALS_PER_SEC = 1;
