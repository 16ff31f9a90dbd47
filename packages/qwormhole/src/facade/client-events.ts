/** What a client tells, and to whom its methods answer. */
import type { Priority } from "../link.js";
import type { MessageKind } from "../message-kind.js";
import type { Address } from "../transport.js";
import type { CallOptions, Handshake } from "./connection.js";
import type { DropReason } from "./metrics.js";

/** Mostly a `QWormholeError`; what an application throws may be any. */
export type CodedError = Error & { readonly code?: string };

/** Arguments of each event's listeners. */
export interface ClientEvents<T> {
  /** Both sides are verified; again after each reconnection. */
  connect: [];
  /** As `connect`, with what the server said about itself. */
  ready: [server: Handshake];
  message: [value: T];
  /** Each message as it came, before the deserializer. */
  data: [event: { payload: Uint8Array; kind: MessageKind }];
  /** The connection is gone; `willReconnect` says whether it is dialled again. */
  disconnect: [event: { error: CodedError | undefined; hadError: boolean; willReconnect: boolean }];
  /** Before each attempt's wait. */
  reconnecting: [event: { attempt: number; delayMs: number; error: CodedError | undefined }];
  /** Back at an endpoint that is preferred; the earlier connection ends in order. */
  failback: [event: { endpoint: Address }];
  /**
   * The client has ended and will not come back by itself: once, after the last attempt.
   * `hadError` is false when the end was asked for, or the server ended in order and `reconnect` is
   * not enabled.
   */
  close: [event: { hadError: boolean; error: CodedError | undefined }];
  /** A message that the deserializer could not read; it was dropped. */
  invalidMessage: [event: { error: CodedError }];
  /** A dial or handshake took too long. */
  timeout: [event: { endpoint: Address; error: CodedError }];
  backpressure: [event: { queuedBytes: number; threshold: number }];
  drain: [];
  drop: [event: { reason: DropReason; messages: number; priority: Priority }];
  /** A dial that failed; what comes next, the other events tell. */
  dialFailed: [event: { endpoint: Address; error: CodedError }];
  /** A listener of the application failed. */
  error: [error: CodedError];
}

export interface ClientCallOptions extends CallOptions {
  /** May be done twice: asked again when the connection is lost before the answer. */
  idempotent?: boolean | undefined;
}

/** Codes after which another dial of the same endpoint cannot help by itself. */
export const PERMANENT_CODES: ReadonlySet<string> = new Set([
  "QW_OPTIONS_INVALID",
  "QW_INSECURE_REFUSED",
  "QW_PEER_OUTSIDE_NETWORK",
  "QW_TLS_FAILED",
  "QW_NOT_A_LINK",
  "QW_VERSION_UNSUPPORTED",
  "QW_PROTOCOL_MISMATCH",
  "QW_TAGS_INVALID",
  "QW_KEY_UNSUPPORTED",
  "QW_KEY_MISMATCH",
  "QW_UNEXPECTED_PEER",
  "QW_PEER_NOT_PINNED",
  "QW_SELF_CONNECT",
  "QW_PEER_REFUSED",
  "QW_REFUSED_BY_PEER",
]);

/** Codes of an end of the connection, after which a request may be asked again elsewhere. */
export const LOST_CODES: ReadonlySet<string> = new Set([
  "QW_LINK_LOST",
  "QW_LINK_CLOSED",
  "QW_LINK_CLOSING",
  "QW_PEER_DEAD",
]);
