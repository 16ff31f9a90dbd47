/** Every named maximum of sampling, with its unit. */

/**
 * Candidates that are looked at when `topK` is off: what lies beyond the likeliest 1,024 tokens is
 * never drawn. It makes the answer the same for any cut of the vocabulary.
 */
export const SAMPLING_CANDIDATES_MAX = 1024;
/** Texts that end an answer, and the length of each. */
export const STOP_TEXTS_MAX = 16;
export const STOP_TEXT_CHARACTERS_MAX = 1024;
