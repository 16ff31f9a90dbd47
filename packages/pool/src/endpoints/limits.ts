/** Every named maximum of whole-request members, with its unit. */

/** Endpoints of one node. */
export const ENDPOINTS_PER_NODE_MAX = 16;
export const ENDPOINT_NAME_BYTES_MAX = 63;
export const ENDPOINT_URL_BYTES_MAX = 1_024;
/** Models that one endpoint is asked for, or is given by hand. */
export const ENDPOINT_MODELS_MAX = 128;
export const MODEL_NAME_BYTES_MAX = 256;
/** Requests that an endpoint gets at a time when its operator names no other number. */
export const ENDPOINT_REQUESTS_AT_ONCE_DEFAULT = 4;
export const ENDPOINT_REQUESTS_AT_ONCE_MAX = 256;
/** The list of models, as the server sends it. */
export const MODEL_LIST_BYTES_MAX = 1 << 20;
/** One request with its prompt. */
export const ENDPOINT_REQUEST_BYTES_MAX = 4 << 20;
/** Head of an answer. */
export const ENDPOINT_HEAD_BYTES_MAX = 32 * 1024;
/** Headers of a stream between nodes. */
export const ENDPOINT_STREAM_HEADER_BYTES_MAX = 4 * 1024;
/** Time between two looks at an endpoint, and for one look. */
export const ENDPOINT_CHECK_INTERVAL_MS = 10_000;
export const ENDPOINT_CHECK_MS_MAX = 5_000;
/** Time to open a connection. */
export const ENDPOINT_CONNECT_MS_MAX = 5_000;
/**
 * Silence before an answer begins: a server may load a large model first, and one that answers as a
 * whole computes all of it. And silence within an answer.
 */
export const ENDPOINT_FIRST_BYTE_MS_MAX = 600_000;
export const ENDPOINT_SILENCE_MS_MAX = 120_000;
/** How old another node's list may be that a request is balanced by. */
export const ENDPOINT_LIST_AGE_MS_MAX = 2_000;
/** Time that another node has to say what it offers; then the list that it gave last counts. */
export const ENDPOINT_LIST_MS_MAX = 1_500;
/** Nodes that are asked for their endpoints. */
export const ENDPOINT_NODES_MAX = 64;
/** Members that one request is tried with. */
export const ENDPOINTS_TRIED_MAX = 4;
/** Requests of all other nodes that are served here at a time. */
export const ENDPOINT_STREAMS_MAX = 512;
/** Of these, those of one node. */
export const ENDPOINT_STREAMS_PER_NODE_MAX = 128;
/** A member that failed is tried last for so long. */
export const ENDPOINT_AVOIDED_MS = 5_000;
/** A list that a node gave last counts for so long when it does not answer now. */
export const ENDPOINT_LIST_KEPT_MS = 30_000;
/** A node that could not be asked is left alone for so long. */
export const ENDPOINT_LIST_PAUSE_MS = 5_000;
/** The list of one node, as it travels. */
export const ENDPOINT_LIST_BYTES_MAX = 768 * 1024;
