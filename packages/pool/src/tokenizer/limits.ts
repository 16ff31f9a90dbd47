/** Every named maximum of the tokenizers, with its unit. */

/** A prompt in UTF-8: twice what a context of 128 k tokens holds of English. */
export const PROMPT_BYTES_MAX = 1 << 20;
/** Tokens with a meaning of their own, such as `<|im_start|>`. */
export const SPECIAL_TOKENS_MAX = 8192;
/** Text of one token. */
export const TOKEN_BYTES_MAX = 1024;
