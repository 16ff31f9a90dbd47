/** Named maxima of the engines, with their units in their names. */

/** One read of a model file; larger slices come in several reads, straight into their tensor. */
export const READ_BYTES_MAX = 4 << 20;
/** Built graphs that are kept; the one that was not used for longest goes first. */
export const GRAPHS_KEPT_MAX = 512;
/** Lengths of the cache that graphs are built for are multiples of this. */
export const CACHE_ROWS_STEP = 256;
/** What `EngineOptions` may ask for. */
export const BATCH_ROWS_MAX = 256;
export const SEQUENCES_MAX = 64;
export const THREADS_MAX = 256;
export const CONTEXT_TOKENS_MAX = 1 << 20;
/** Libraries in one folder, and devices that they may offer. */
export const DEVICES_MAX = 32;
/** The reference engine is for tests and tiny models: it keeps every weight as a 64-bit number. */
export const REFERENCE_WEIGHTS_MAX = 64 << 20;
