/**
 * `@hearthmesh/store`: the ordered transactional key-value store.
 *
 * @packageDocumentation
 */
export type * from "./types.js";
