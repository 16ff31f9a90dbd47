/** Every named maximum of the services, with its unit. Those of `core/limits.ts` hold too. */

/** A service's name, as a node's. */
export const SERVICE_NAME_BYTES_MAX = 63;
/** A host that an operator names: the longest DNS name. */
export const SERVICE_HOST_BYTES_MAX = 253;
/** Path of an HTTP health check. */
export const HEALTH_PATH_BYTES_MAX = 1024;
/** Checks are not more often than this, so that none becomes a load, and not rarer than that. */
export const HEALTH_INTERVAL_MS_MIN = 500;
export const HEALTH_INTERVAL_MS_MAX = 3_600_000;
export const HEALTH_TIMEOUT_MS_MIN = 50;
export const HEALTH_TIMEOUT_MS_MAX = 60_000;
export const HEALTH_INTERVAL_MS_DEFAULT = 5_000;
export const HEALTH_TIMEOUT_MS_DEFAULT = 2_000;
/** Failures one after the other that make a service `failing`. */
export const HEALTH_FAILURES_MAX = 2;
/** After a first failure the next check does not wait the whole interval. */
export const HEALTH_RECHECK_MS = 1_000;
/** Checks under way at one node: more wait for the next turn of their own. */
export const HEALTH_CHECKS_AT_ONCE_MAX = 16;
/** Time to open a connection to a service on this node. */
export const SERVICE_CONNECT_MS_MAX = 5_000;
/** Time until another node has said whether it could connect; covers its connect and the link. */
export const SERVICE_OPEN_MS_MAX = 15_000;
/** Streams of one peer to the services of this node; below the streams that a link allows. */
export const SERVICE_STREAMS_PER_PEER_MAX = 192;
/** Streams of all peers together. */
export const SERVICE_STREAMS_MAX = 1_024;
/** Header of a `service.open` stream. */
export const SERVICE_OPEN_HEADER_BYTES_MAX = 1_024;
export const REQUEST_ID_BYTES_MAX = 128;
/** `host:port` of a service, as it travels: its length is one byte. */
export const AUTHORITY_BYTES_MAX = 255;
/** A target of a request: a capability, a service, a node, or `<node>:<service>`. */
export const SERVICE_TARGET_BYTES_MAX = 128;
/**
 * Costs within one class count as equally near, so that load decides among neighbours and a
 * jitter of a millisecond does not move all requests from one machine to the other.
 */
export const COST_CLASS_MS = 5;
/**
 * How old the view of all services may be that a request is answered from: changes of health, load
 * and routes are seen this much later; a failed connection and a change here at once.
 */
export const SERVICE_VIEW_MS = 20;
/** Names that an error lists. */
export const NAMES_TOLD_MAX = 10;
