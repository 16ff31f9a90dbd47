/**
 * `@hearthmesh/node/resident`: what runs in a process that stays. The package as a whole also holds
 * what commands do once, which such a process must not keep in memory.
 *
 * @packageDocumentation
 */
export {
  type ControlPlaneRunOptions,
  runControlPlane,
} from "./control-plane/run-control-plane.js";
export { type DaemonOptions, runDaemon } from "./daemon.js";
export { type JoinOptions, joinMember } from "./join-member.js";
export { type RelayOptions, runRelay } from "./relay/run-relay.js";
