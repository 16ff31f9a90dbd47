/** SWIM on UDP and links: `SwimRuntime`, and what it is handed. */
export type { VerifiedCertificate } from "./certificate-book.js";
export type { Refusal, SwimCounters } from "./counters.js";
export {
  CERTIFICATES_METHOD,
  DATAGRAM_METHOD,
  EXCHANGE_METHOD,
} from "./mesh-messages.js";
export { decodeNodeMeta, encodeNodeMeta, type NodeMeta } from "./node-meta.js";
export type { SnapshotPeer, SnapshotStore, SwimSnapshot } from "./snapshot.js";
export { SwimRuntime } from "./swim-runtime.js";
export type {
  MemberReport,
  PeerChange,
  SwimRuntimeOptions,
  SwimSelf,
} from "./swim-runtime-options.js";
export { systemUdpSocket, type UdpSocket, type UdpSocketFactory } from "./udp-socket.js";
