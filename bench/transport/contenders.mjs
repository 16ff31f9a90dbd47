/**
 * Who takes part. Each module makes a listener in one process and a dialler in another; all
 * messages of a one-way case go from the dialler to the listener. The npm packages speak plain
 * TCP, as they do by default; QWormhole and `tls` do mutual TLS 1.3.
 */
export const contenders = [
  { name: "qwormhole", file: "./qwormhole-side.mjs", hasStreams: true },
  { name: "tls", file: "./bare-side.mjs", hasStreams: true, secure: true },
  { name: "net", file: "./bare-side.mjs", hasStreams: true },
  { name: "ws", file: "./peers/ws-side.mjs", packageName: "ws" },
  { name: "nats", file: "./peers/nats-side.mjs", packageName: "@nats-io/transport-node" },
  { name: "zeromq", file: "./peers/zeromq-side.mjs", packageName: "zeromq" },
  { name: "socket.io", file: "./peers/socket-io-side.mjs", packageName: "socket.io" },
  { name: "grpc-js", file: "./peers/grpc-side.mjs", packageName: "@grpc/grpc-js" },
  { name: "qwormhole-link", file: "./qwormhole-link-side.mjs", hasStreams: true, onRequest: true },
];

/** Rates: `method` is called in the dialler with `bytes` and a count that fits the time. */
export const rateCases = [
  { id: "one-way-128", title: "128 B /s", method: "messages", bytes: 128 },
  { id: "one-way-1k", title: "1 KiB /s", method: "messages", bytes: 1024 },
  { id: "one-way-16k", title: "16 KiB /s", method: "messages", bytes: 16 * 1024 },
  { id: "one-way-64k", title: "64 KiB /s", method: "messages", bytes: 64 * 1024 },
  { id: "bulk", title: "bulk MB/s", method: "bulk", bytes: 256 * 1024, needsStreams: true },
  { id: "requests-64", title: "64-deep req/s", method: "pipelined", bytes: 128 },
  { id: "round-trip", title: "round trip", method: "roundTrips", bytes: 128 },
];
