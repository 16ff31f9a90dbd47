/** Every named maximum of the models that a member keeps, with its unit. */

export const MODELS_MAX = 256;
export const MODEL_NAME_BYTES_MAX = 64;
/** One model's file. */
export const MODEL_FILE_BYTES_MAX = 512 * 1024 ** 3;
/** A record as it is stored. */
export const MODEL_RECORD_BYTES_MAX = 16 << 10;
/** What a model is verified and pulled by; the chunks of the collective are as large. */
export const MODEL_CHUNK_BYTES = 1 << 20;
export const MODEL_SOURCE_LENGTH_MAX = 2048;
/** SHA-256 of every chunk of the largest file. */
export const MODEL_HASHES_BYTES_MAX = (MODEL_FILE_BYTES_MAX / MODEL_CHUNK_BYTES) * 32;
/** The list of models, where an older one is known; then that one counts for a while. */
export const COLLECTIVE_LIST_MS_MAX = 2_000;
export const COLLECTIVE_PAUSE_MS = 10_000;
/** Ranges of one shard, merged. */
export const MODEL_RANGES_MAX = 65_536;
/** Ranges with less than this between them are pulled as one. */
export const MODEL_RANGE_GAP_BYTES = 4096;
/** Chunks that are pulled by one read: as often is it noted what is there. */
export const PULL_RUN_CHUNKS_MAX = 32;
/** Reads of one model at a time. */
export const PULL_RUNS_MAX = 2;
/** A pull is tried again as often, with a pause in between. */
export const PULL_ATTEMPTS_MAX = 5;
export const PULL_PAUSE_MS = 500;
/** What a pull leaves free on the disk. */
export const MODEL_DISK_RESERVE_BYTES = 256 << 20;
/** Downloads of one node at a time, and those whose end is remembered. */
export const IMPORTS_RUNNING_MAX = 2;
export const IMPORTS_KEPT_MAX = 32;
/** A download that nobody goes on with is kept so long. */
export const INCOMING_KEPT_MS = 7 * 24 * 3_600_000;
/** Files of downloads that are looked at. */
export const INCOMING_FILES_MAX = 1024;
export const DOWNLOAD_REDIRECTS_MAX = 5;
export const DOWNLOAD_ATTEMPTS_MAX = 8;
export const DOWNLOAD_PAUSE_MS = 1000;
export const DOWNLOAD_PAUSE_MAX_MS = 15_000;
/** A server that sends nothing for so long is asked again. */
export const DOWNLOAD_SILENCE_MS = 30_000;
/** Between two notes of how far a download is. */
export const DOWNLOAD_NOTE_BYTES = 16 << 20;
/** Machines for which it is shown what a share needs. */
export const MODEL_SHARES_MAX = 16;
