/** Named numbers of the AI pool on a node. */

/** Rows of one chunk of a prompt. */
export const BATCH_ROWS = 64;
