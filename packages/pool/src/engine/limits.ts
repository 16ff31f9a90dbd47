/** Named maxima of the engines, with their units in their names. */

/** One read of a model file; larger slices come in several reads, straight into their tensor. */
export const READ_BYTES_MAX = 4 << 20;
/** Nodes of all built graphs that are kept; the graph that was not used for longest goes first. */
export const GRAPH_NODES_KEPT_MAX = 32_768;
/** Lengths of the cache that graphs are built for are multiples of this. */
export const CACHE_ROWS_STEP = 256;
/** What `EngineOptions` may ask for. */
export const BATCH_ROWS_MAX = 256;
export const SEQUENCES_MAX = 64;
export const THREADS_MAX = 256;
export const CONTEXT_TOKENS_MAX = 1 << 20;
/** Names in a folder of libraries, devices that they offer, and what is asked of a device. */
export const LIBRARY_FILES_MAX = 1024;
export const DEVICES_MAX = 32;
export const BUFFER_TYPES_MAX = 16;
export const FEATURES_MAX = 128;
/** The reference engine is for tests and tiny models: it keeps every weight as 32 bits. */
export const REFERENCE_WEIGHTS_MAX = 64 << 20;
/** Weights that a measurement of bandwidth reads, more than a cache holds; and for how long. */
export const BANDWIDTH_WEIGHT_BYTES = 144 << 20;
export const BANDWIDTH_MEASURE_MS = 300;
export const BANDWIDTH_ROUNDS_MAX = 1000;
