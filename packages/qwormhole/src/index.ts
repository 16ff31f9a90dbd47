/**
 * `@hearthmesh/qwormhole`: framed, mutually authenticated transport over TLS, TCP and memory.
 *
 * @packageDocumentation
 */
export type * from "./link.js";
export type * from "./transport.js";
