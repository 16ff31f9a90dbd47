/** Every named maximum and time of pools, with its unit. */
import { POOL_MEMBERS_MAX } from "@hearthmesh/identity";

/** Share of a member: 1 when it says nothing. */
export const CAPACITY_DEFAULT = 1;
export const CAPACITY_MAX = 1_000_000;
/** Link addresses in the statement of a member, and characters of one. */
export const STATEMENT_ENDPOINTS_MAX = 8;
export const STATEMENT_ENDPOINT_LENGTH_MAX = 128;
/** Statements that are kept of nodes that the roster does not name (yet). */
export const STRANGERS_KEPT_MAX = 16;
/**
 * The epoch of a ring is version times this, plus the changes of capacity of its members, of which
 * each counts up to `CAPACITY_CHANGES_COUNTED_MAX`: so a new version is always the higher epoch.
 */
export const EPOCH_STRIDE = 65_536;
export const CAPACITY_CHANGES_COUNTED_MAX = Math.floor((EPOCH_STRIDE - 1) / POOL_MEMBERS_MAX);

/** A request to join is kept this long, also one that was decided. */
export const JOIN_REQUEST_MS = 600_000;
/** Requests that are kept: of one pool, and from one address. */
export const JOIN_REQUESTS_MAX = 32;
export const JOIN_REQUESTS_PER_ADDRESS_MAX = 8;

/** Bytes of a call on the LAN; the format itself stays below. */
export const JOIN_CALL_BYTES_MAX = 1_400;
/** The tag in clear and the key of calls change this often; periods that are accepted around it. */
export const JOIN_CALL_PERIOD_MS = 3_600_000;
export const JOIN_CALL_PERIODS_OFF_MAX = 2;
export const JOIN_CALL_PADDING_BYTES = 128;
export const JOIN_CALL_ADDRESSES_MAX = 4;
export const JOIN_CALL_ADDRESS_LENGTH_MAX = 64;
/** How far the wall clocks of the two machines may be apart. */
export const JOIN_CALL_CLOCK_OFF_MS_MAX = 600_000;
/** Nonces that are remembered; a full book answers nobody until the oldest have ended. */
export const JOIN_CALL_NONCES_MAX = 4_096;
/** Calls a second that are answered: of one machine, and of all. */
export const JOIN_CALL_SOURCE_RATE_PER_SEC = 2;
export const JOIN_CALL_SOURCE_BURST = 6;
export const JOIN_CALL_TOTAL_RATE_PER_SEC = 10;
export const JOIN_CALL_TOTAL_BURST = 30;
export const JOIN_CALL_SOURCES_MAX = 256;
