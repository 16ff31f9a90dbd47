/** Every named maximum of the directory of links, with its unit. */

/** Links to one node of one kind; above it the one that is the least use ends at once. */
export const LINKS_PER_NODE_MAX = 4;
/** Nodes that are being linked to at once. */
export const LINK_ATTEMPTS_MAX = 256;
/** Addresses of one node that are tried. */
export const LINK_ADDRESSES_MAX = 8;
/** Ways through relays that are tried for one node. */
export const RELAY_PATHS_MAX = 8;
/** Time for one way through relays, with both handshakes. */
export const RELAY_DIAL_MS_MAX = 10_000;
/** Relays are asked when no address has answered by then; the addresses are tried on. */
export const DIRECT_HEAD_START_MS = 1_000;
/** A node that could not be reached is not tried again before. */
export const FAILURE_REMEMBERED_MS = 1_000;
/** Nodes whose last failures are kept; the oldest are forgotten above it. */
export const FAILURES_KEPT_MAX = 1024;
/** A link that has a better one beside it takes no new work after this; the peer may be later. */
export const RETIRE_AFTER_MS = 1_000;
/** What still runs on it may go on for this long. */
export const RETIRE_DRAIN_MS_MAX = 24 * 3_600_000;
/** Pause before a direct link is tried where only a relayed one is; doubled each time. */
export const UPGRADE_PAUSE_MS = 10_000;
export const UPGRADE_PAUSE_MS_MAX = 600_000;
