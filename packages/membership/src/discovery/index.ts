/** Finding the nodes of the mesh: see `discovery.ts`, and docs/mesh/discovery.md. */
export * from "./beacon-codec.js";
export * from "./beacon-door.js";
export type * from "./book-events.js";
export {
  type AddressFailure,
  type CandidateReport,
  FOUND_METHODS,
  type FoundBy,
  type FoundMethod,
  type LinkKind,
} from "./candidate.js";
export * from "./candidate-book.js";
export * from "./discovery.js";
export type * from "./discovery-options.js";
export type {
  DiscoveryReport,
  MethodReport,
  MethodState,
  PeerDiscovery,
} from "./discovery-report.js";
export type { Contact, HubReport, HubSource } from "./hub-finder.js";
export type { BeaconCounts, BeaconSelf, HeardBeacon } from "./lan-beacons.js";
export * from "./mesh-secret.js";
export * from "./mesh-secret-exchange.js";
export * from "./multicast-socket.js";
