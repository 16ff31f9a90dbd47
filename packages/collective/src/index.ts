/**
 * `@hearthmesh/collective`: what the mesh keeps: chunks, layout, placement, namespace, repair.
 *
 * `storage/` runs on every storage node, `coordinator/` and `authority/` on the coordinator,
 * `client/` wherever somebody reads or writes files, `federation/` wherever files of other members
 * are used.
 *
 * @packageDocumentation
 */
export * from "./authority/index.js";
export * from "./client/index.js";
export * from "./coordinator/index.js";
export * from "./copies/index.js";
export type * from "./copies-protocol.js";
export * from "./federation/index.js";
export * from "./key-value/index.js";
export * from "./leadership/index.js";
export * from "./message-stream.js";
export type * from "./protocol.js";
export * from "./recovery/index.js";
export * from "./storage/index.js";
export type * from "./types.js";
