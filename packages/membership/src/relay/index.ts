/** Relays: streams that a node passes on, and links to nodes behind others. */
export { RELAY_HOPS_MAX } from "./limits.js";
export type * from "./relay-counters.js";
export * from "./relay-dial.js";
export * from "./relay-header.js";
export * from "./relay-machine.js";
export * from "./relay-policy.js";
export * from "./relay-service.js";
