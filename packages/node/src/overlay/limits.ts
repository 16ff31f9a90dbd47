/** Named maxima and times of overlays, with their units. */

/** Peers and listeners that a configuration may name. */
export const OVERLAY_URIS_MAX = 64;
export const OVERLAY_URI_LENGTH_MAX = 512;
/** Path of a socket in the file system (sun_path of Linux less its end). */
export const SOCKET_PATH_BYTES_MAX = 107;

/** What the daemon may answer to one question. */
export const ADMIN_ANSWER_BYTES_MAX = 1 << 20;
export const ADMIN_ANSWER_MS_MAX = 2_000;
/** A text in an answer that is longer is cut. */
export const ADMIN_TEXT_LENGTH_MAX = 512;
/** Peers of an answer that are kept; further ones are counted. */
export const OVERLAY_PEERS_MAX = 256;

/** Time between two looks at a daemon that is up, and at one that is coming up. */
export const OVERLAY_LOOK_MS = 2_000;
export const OVERLAY_LOOK_SOON_MS = 200;
/** A daemon that was started has this long to answer. */
export const OVERLAY_START_MS_MAX = 10_000;
/** Looks in a row without an answer, after which a daemon that was up is silent. */
export const OVERLAY_SILENT_LOOKS = 3;

/** A change of the overlay leads to new dials at once, and again after each of these gaps. */
export const OVERLAY_TELL_GAPS_MS: readonly number[] = [3_000, 5_000, 10_000, 20_000];

/** Link addresses that are told before that of the overlay, so that it is not cut off. */
export const ADDRESSES_BEFORE_OVERLAY_MAX = 6;

/** How often it is looked whether links over the overlay could go a shorter way. */
export const SHORTER_LOOK_MS = 5_000;
/** Pause after an attempt that failed, doubled each time up to the maximum. */
export const SHORTER_PAUSE_MS = 10_000;
export const SHORTER_PAUSE_MS_MAX = 600_000;
/** One address gets this long until the handshake is through. */
export const SHORTER_DIAL_MS_MAX = 3_000;
