/**
 * Files of other members: paths that lead away, the ways there, and calls on behalf of somebody.
 */
export { leadsAway, PEERS_PATH, pathAt, splitPath } from "./across-path.js";
export { AwayFiles, type FilesAtPeer, type PeerDirectory } from "./away-files.js";
export { FederatedFiles } from "./federated-files.js";
export { type LinkWayOptions, linkWay } from "./link-way.js";
export { onBehalfOf, PEER_CALL, PeerCalls, type PeerCallsOptions } from "./peer-calls.js";
export { claimFor } from "./peer-claim.js";
export {
  type FileOperations,
  PeerFiles,
  type PeerFilesOptions,
  type PeerWay,
  type WayFiles,
} from "./peer-files.js";
export { PEER_READ, PEER_WRITE, PeerStreams, type PeerStreamsOptions } from "./peer-streams.js";
export { type RelayWayOptions, relayWay } from "./relay-way.js";
export { WayMemory } from "./way-memory.js";
