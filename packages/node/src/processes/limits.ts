/** Named maxima and times of programs that the node runs as children, with their units. */

/** One log file of a child; older ones are kept beside it. */
export const CHILD_LOG_BYTES_MAX = 8 << 20;
export const CHILD_LOG_FILES_KEPT = 2;
/** A line of its output that is longer is cut. */
export const CHILD_LOG_LINE_BYTES_MAX = 16 * 1024;
/** The last warnings and errors, which tell why it ended. */
export const CHILD_COMPLAINTS_KEPT_MAX = 5;
export const CHILD_COMPLAINT_LENGTH_MAX = 300;

/** It is started again after this long, doubled each time up to the maximum. */
export const CHILD_RESTART_MS_MIN = 250;
export const CHILD_RESTART_MS_MAX = 30_000;
/**
 * After running this long, the next crash is again the first: what cannot run ends sooner, and what
 * was killed while it served should serve again at once.
 */
export const CHILD_STEADY_MS = 10_000;
/** Time that it has to end after SIGTERM before it gets SIGKILL. */
export const CHILD_STOP_MS_MAX = 8_000;
/** So many ends in a row, each soon after a start, mean that it does not run. */
export const CHILD_CRASHES_FAILING = 3;
/** Processes of an earlier daemon that are ended at a start. */
export const ORPHANS_MAX = 8;
