/**
 * `@hearthmesh/qwormhole`: framed, mutually authenticated links over TLS, TCP and memory.
 *
 * A transport makes channels (byte pipes): `tlsTransport`, `tcpTransport`, `memoryTransport`.
 * `dialLink` and `listenLinks` run the handshake over them and give links, with requests, streams
 * and messages. The wire format is specified in `docs/wire.md`.
 *
 * @packageDocumentation
 */
export * from "./dial-link.js";
export * from "./errors.js";
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
export * from "./open-link.js";
export * from "./tcp-transport.js";
export * from "./tls-transport.js";
export type * from "./transport.js";
