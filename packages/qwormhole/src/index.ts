/**
 * `@hearthmesh/qwormhole`: framed, mutually authenticated connections over TLS, TCP and memory.
 *
 * Most programs use `QWormholeServer` and `QWormholeClient`, or a `QWormholeRuntime` that makes
 * both with common options: values as messages, requests, streams, topics, reconnection, telemetry.
 *
 * Below them are links: a transport makes channels (`tlsTransport`, `tcpTransport`,
 * `memoryTransport`), and `dialLink` and `listenLinks` run the handshake over them. The wire format
 * is specified in `docs/wire.md`.
 *
 * @packageDocumentation
 */
export * from "./cbor.js";
export * from "./dial-link.js";
export * from "./errors.js";
export * from "./facade/index.js";
export {
  encodeFrame,
  FrameDecoder,
  type FrameSink,
  FrameType,
  PREAMBLE,
  WIRE_VERSION,
} from "./frames.js";
export * from "./keys.js";
export { LINK_LIMITS_DEFAULT, type LinkLimits } from "./limits.js";
export type * from "./link.js";
export * from "./listen-links.js";
export * from "./memory-transport.js";
export * from "./message-kind.js";
export {
  type InterfaceAddress,
  type NetworkInterfaces,
  systemNetworkInterfaces,
} from "./network-interfaces.js";
export * from "./open-link.js";
export * from "./serializers.js";
export * from "./stream-duplex.js";
export * from "./tcp-transport.js";
export * from "./tls-over-stream.js";
export * from "./tls-transport.js";
export * from "./token-bucket.js";
export type * from "./transport.js";
