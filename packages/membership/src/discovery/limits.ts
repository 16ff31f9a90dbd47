/** Every named maximum and time of discovery, with its unit. */

/** Bytes of a mesh secret. */
export const MESH_SECRET_BYTES = 32;
/** The file of a mesh secret; a longer text is none. */
export const MESH_SECRET_TEXT_BYTES_MAX = 512;
/**
 * How far ahead of the epoch that is held a node that is not the coordinator may be believed. It
 * keeps a node that lies from naming an epoch that no later rotation would reach.
 */
export const MESH_SECRET_EPOCHS_AHEAD_MAX = 64;

/** A beacon crosses any network in one piece; the format itself stays below 600 bytes. */
export const BEACON_BYTES_MAX = 1400;
/** Addresses besides the one that the datagram comes from. */
export const BEACON_ADDRESSES_MAX = 4;
export const BEACON_ADDRESS_BYTES_MAX = 64;
/** The contents are padded to a multiple of this, so that their length says little. */
export const BEACON_PADDING_BYTES = 128;
/** The tag in clear and the key change this often. */
export const BEACON_PERIOD_MS = 3_600_000;
/** Periods before and after our own that are accepted, for clocks that are off. */
export const BEACON_PERIODS_OFF_MAX = 2;
/** Senders whose sequence is remembered; the one that was silent the longest is forgotten. */
export const BEACON_SENDERS_MAX = 4096;
/** Older starts of one sender whose sequence is remembered. */
export const BEACON_OLD_BOOTS_MAX = 4;
/** A beacon of an older start may lead to one dial in this time. */
export const BEACON_OLD_BOOT_INTERVAL_MS = 60_000;

/** Time between two beacons, with a fifth of jitter. */
export const BEACON_INTERVAL_MS = 5_000;
/** When the first beacons go out after a start or a change of the network. */
export const BEACON_BURST_MS: readonly number[] = [0, 300, 800];
/** A node that was not heard for this long is answered at once with a beacon of our own. */
export const BEACON_NEWCOMER_SILENCE_MS = 20_000;
/** An answer goes out after a random part of this, so that not all answer in the same instant. */
export const BEACON_ANSWER_DELAY_MS_MAX = 250;
/** At most one answer in this time, whoever asks. */
export const BEACON_ANSWER_INTERVAL_MS = 500;
/** How often interfaces are looked at again, and a port that was taken is tried again. */
export const BEACON_INTERFACES_INTERVAL_MS = 10_000;
/** Interfaces that are joined. */
export const BEACON_INTERFACES_MAX = 32;
/** Datagrams a second that are looked at: from one source, and from all. */
export const BEACON_SOURCE_RATE_PER_SEC = 20;
export const BEACON_SOURCE_BURST = 60;
export const BEACON_TOTAL_RATE_PER_SEC = 2_000;
export const BEACON_TOTAL_BURST = 4_000;
/** Sources that are counted; the one that was silent the longest is forgotten. */
export const BEACON_SOURCES_MAX = 1024;
/** Time that the last beacon ("I leave") gets when a node stops. */
export const BEACON_GOODBYE_MS_MAX = 250;

/** Candidates that are known at a time; above it, the ones that nobody configured go first. */
export const CANDIDATES_MAX = 4096;
/** Addresses of one candidate. */
export const CANDIDATE_ADDRESSES_MAX = 8;
/** Nodes that were removed from the mesh and are remembered; the oldest is forgotten above it. */
export const REMOVED_NODES_MAX = 10_000;
/** Dials under way at a time. */
export const DIALS_MAX = 8;
/** Full jitter: the first wait is a random part of the base, each next one of twice as much. */
export const DIAL_BACKOFF_BASE_MS = 1_000;
export const DIAL_BACKOFF_MAX_MS = 60_000;
/** The most for a node whose beacon is heard: it is there, so its link port may be soon. */
export const DIAL_BACKOFF_HEARD_MAX_MS = 15_000;
/** No node is dialled twice within this, whatever resets its back-off. */
export const DIAL_SPACING_MS = 1_000;
/** A node that is alive through others, or has a relayed link alone, is tried about this often. */
export const DIRECT_RETRY_MS = 60_000;
/** A link that lived for this long was a good one: the next dial starts without a back-off. */
export const LINK_STABLE_MS = 10_000;
/** One address gets this long until the handshake is through. */
export const DIAL_TIMEOUT_MS = 6_000;
/** The next address is tried beside the one before after this (RFC 8305, 8). */
export const DIAL_STAGGER_MS = 250;
/** Time that the daemon gets to exchange views over a new link. */
export const LINK_SETUP_MS_MAX = 15_000;
/** Text of a failure of one address. */
export const FAILURE_TEXT_MAX = 200;
/** How often a hub that is not linked is asked again where it is; the time that it gets. */
export const HUB_ASK_INTERVAL_MS = 60_000;
export const HUB_ASK_TIMEOUT_MS = 10_000;
/** Hubs, static peers: what a configuration may name. */
export const HUBS_MAX = 16;
export const STATIC_PEERS_MAX = 256;
