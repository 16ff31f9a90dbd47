/** Every named maximum of reading a GGUF file, with its unit. A file comes from strangers. */

/** Everything before the tensors; the largest vocabularies in use need 16 MiB. */
export const GGUF_HEADER_BYTES_MAX = 64 << 20;
/** First piece that is read; the next ones are as large as all before together. */
export const GGUF_HEADER_FIRST_READ_BYTES = 256 << 10;
export const GGUF_METADATA_ENTRIES_MAX = 4096;
export const GGUF_KEY_BYTES_MAX = 1024;
/** A text in the metadata, such as a chat template. */
export const GGUF_STRING_BYTES_MAX = 1 << 20;
/**
 * Values in all arrays together; a vocabulary of 256 k tokens with merges has about 1.3
 * million.
 */
export const GGUF_ARRAY_VALUES_MAX = 4 << 20;
export const GGUF_TENSORS_MAX = 16_384;
export const GGUF_TENSOR_NAME_BYTES_MAX = 256;
export const GGUF_DIMENSIONS_MAX = 4;
export const GGUF_ALIGNMENT_BYTES_MAX = 1 << 16;
/** Transformer blocks, width and vocabulary of a model. */
export const MODEL_LAYERS_MAX = 1024;
export const MODEL_HEADS_MAX = 1 << 16;
export const MODEL_WIDTH_MAX = 1 << 20;
export const MODEL_VOCABULARY_MAX = 1 << 20;
export const MODEL_CONTEXT_TOKENS_MAX = 1 << 24;
