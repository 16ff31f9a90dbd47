/** Servers and clients over links: what most programs use. */
export * from "./client.js";
export type { ClientCallOptions, ClientEvents, CodedError } from "./client-events.js";
export * from "./connection.js";
export { DIAGNOSTICS_CHANNELS } from "./diagnostics.js";
export type { RequestContext, RequestHandler, StreamHandler } from "./handler-table.js";
export type {
  ChannelMetrics,
  ClientMetrics,
  ConnectionMetrics,
  DropReason,
  ServerMetrics,
  TransferMetrics,
} from "./metrics.js";
export type {
  ClientFacts,
  QWormholeClientOptions,
  QWormholeServerOptions,
  RateLimit,
  ReconnectOptions,
  SharedOptions,
  UnverifiedPeer,
} from "./options.js";
export * from "./runtime.js";
export type { ChannelPolicy, WhenFull } from "./send-queue.js";
export * from "./server.js";
export type { Publication, TopicListener } from "./topic-hub.js";
