/** Every named maximum of the event stream, with its unit. */

/** Events that are kept for readers who come back; a reader further behind than this is cut. */
export const EVENTS_KEPT_MAX = 256;
/** The text of one event; a larger one is not sent. */
export const EVENT_BYTES_MAX = 16 * 1024;
/** Streams that are open at one node at a time. */
export const EVENT_STREAMS_MAX = 64;
/** Of one caller; as many are kept for the operator of this machine. */
export const EVENT_STREAMS_OF_ONE_MAX = 16;
/** After so much quiet a comment is sent, so that both ends and proxies know of each other. */
export const EVENT_HEARTBEAT_MS = 15_000;
/** A reader that takes nothing for so long is cut, and its place is free. */
export const SLOW_READER_MS_MAX = 30_000;
