/**
 * `@hearthmesh/membership`: who is in the mesh, and who is gone.
 *
 * `SwimMachine` is the protocol without I/O; profiles for networks stand in `swim/config.ts`.
 *
 * @packageDocumentation
 */
export * from "./datagram-codec.js";
export * from "./discovery/index.js";
export * from "./limits.js";
export * from "./links/index.js";
export type * from "./ports.js";
export * from "./record-proof.js";
export * from "./relay/index.js";
export * from "./routes/index.js";
export * from "./runtime/index.js";
export * from "./services/index.js";
export * from "./swim/config.js";
export type { MemberState } from "./swim/member-table.js";
export type * from "./swim/messages.js";
export { suspicionMs } from "./swim/suspicion.js";
export type * from "./swim/swim-events.js";
export * from "./swim/swim-machine.js";
export type { MemberChange } from "./swim/view.js";
