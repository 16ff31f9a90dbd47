/** Every named maximum and time of the node's part of pools, with its unit. */

/** How often a node compares what it knows with each pool member that it has a link to. */
export const EXCHANGE_INTERVAL_MS = 5_000;
export const EXCHANGE_TIMEOUT_MS = 5_000;
/** Pause between two exchanges over one link, however often something changes. */
export const EXCHANGE_PAUSE_MS = 100;
/** What one message of an exchange holds; the rest follows in the next. */
export const EXCHANGE_BYTES_MAX = 256 * 1024;
/** After the first change, until views are made anew: many come together. */
export const VIEW_DELAY_MS = 20;

/** Newcomers that are kept on the line while the admin decides; the next ones ask again. */
export const JOIN_WAITERS_MAX = 64;
/** The longest that one question waits, whatever it asks for. */
export const JOIN_WAIT_MS_MAX = 20_000;
/** Machines that were let in, whose answer is kept in case it was lost. */
export const ADMITTED_KEPT_MAX = 64;

/** When a newcomer calls on the LAN after it began, then every `CALL_INTERVAL_MS`. */
export const CALL_BURST_MS: readonly number[] = [0, 300, 800, 1_300, 1_800, 2_300, 3_000];
export const CALL_INTERVAL_MS = 2_000;
/** Places of admins that a newcomer tries, and how long it leaves one alone that did not answer. */
export const CALL_PLACES_MAX = 8;
export const PLACE_PAUSE_MS = 300;
/** The same when the admin said that too many ask. */
export const PLACE_BUSY_PAUSE_MS = 3_000;
/** Calls of a newcomer whose answers still count. */
export const CALLS_OPEN_MAX = 64;
