/**
 * `@hearthmesh/identity`: keys, CA, certificates, invites, grants, revocation. Pure functions.
 *
 * @packageDocumentation
 */
export type * from "./types.js";
