/** Every named maximum of the proxy to services, with its unit. */

/** Request line and headers that go to a service, and those that it answers with. */
export const PROXY_HEAD_BYTES_MAX = 64 * 1024;
export const PROXY_HEADERS_MAX = 256;
/** Interim answers (1xx) before one answer. */
export const PROXY_INTERIM_MAX = 16;
/** Sizes of chunks with their extensions: lines longer than this are hostile. */
export const CHUNK_LINE_BYTES_MAX = 4 * 1024;
/** What chunk extensions, which nobody needs, may take of one answer. */
export const CHUNK_EXTENSION_BYTES_MAX = 64 * 1024;
/** Bytes of a request's body that are kept, so that it can be sent once more. */
export const REPLAY_BYTES_MAX = 64 * 1024;
/** Body of one request, one of several gigabytes being a usual model or disk image. */
export const PROXY_REQUEST_BYTES_MAX = 1024 * 2 ** 30;
/** Silence of a service before the first byte of its answer. */
export const FIRST_BYTE_MS_DEFAULT = 60_000;
/** Silence of both sides within an answer, and on an upgraded connection without TCP keep-alive. */
export const STREAM_IDLE_MS_MAX = 600_000;
/** A caller that waits for `100 Continue` gets it after this, whatever the service does. */
export const CONTINUE_WAIT_MS = 1_000;
/** Connections that are kept for the next request: to one service, and to all. */
export const IDLE_CONNECTIONS_PER_SERVICE_MAX = 64;
export const IDLE_CONNECTIONS_MAX = 512;
/** How long one is kept; below the 5 s after which many servers close theirs. */
export const IDLE_CONNECTION_MS = 4_000;
/** A request that must not be sent twice gets a kept connection only when it is this young. */
export const FRESH_CONNECTION_MS = 1_000;
/** Connections to one service, busy and idle. */
export const CONNECTIONS_PER_SERVICE_MAX = 512;
/** Candidates that one request is sent to. */
export const CANDIDATES_TRIED_MAX = 4;
/** Times that a request may pass the same node before it counts as going in a circle. */
export const OWN_HOPS_MAX = 3;
export const REQUEST_ID_BYTES_MAX = 128;
/** A `Forwarded` or `X-Forwarded-For` that goes on; longer ones are replaced. */
export const FORWARDED_BYTES_MAX = 2 * 1024;
