/** Limits of the canary. */

/** A result is given to everybody who asks so long after it. */
export const CANARY_AGE_MS_MAX = 5_000;
/** Where a page or a scrape asks again and again, so that none of them wakes a disk each time. */
export const CANARY_SUMMARY_AGE_MS_MAX = 30_000;
/** A step that takes longer has failed. */
export const CANARY_STEP_MS_MAX = 3_000;
/** One token of a large model whose weights the system has put out of memory. */
export const CANARY_TOKEN_MS_MAX = 60_000;
