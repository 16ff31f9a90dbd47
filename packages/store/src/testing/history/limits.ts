/** Named maxima of recorded histories and of the work that checking one may take. */

/** One line of a file, in bytes of UTF-8; a range or a watch is the longest. */
export const HISTORY_LINE_BYTES_MAX = 1 << 20;
/** Lines of a file; an hour of a few hundred operations a second. */
export const HISTORY_EVENTS_MAX = 4_000_000;
/** Entries of a range, events of a watch, operations of a transaction, in one line. */
export const HISTORY_ITEMS_MAX = 10_000;
/** Configurations that one search for an order may remember; above it the verdict is "unknown". */
export const SEARCH_STATES_MAX = 400_000;
/** Time of one search; above it the verdict is "unknown". */
export const SEARCH_MS_MAX = 20_000;
/** Certain operations up to which the whole store is searched as one object too. */
export const WHOLE_SEARCH_CALLS_MAX = 400;
/** Problems that a verdict lists; more are only counted. */
export const PROBLEMS_LISTED_MAX = 20;
/** Calls that are shown for one problem. */
export const WINDOW_CALLS_MAX = 40;
