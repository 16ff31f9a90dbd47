/**
 * The public shape of a link: an authenticated, framed connection between two peers, with
 * requests, streams and messages. `link-runtime.ts` implements it over any `Channel`.
 */

import type { LinkLimits } from "./limits.js";

/** Who is at the other end, as the handshake verified it. */
export interface Peer {
  /** Base32 of SHA-256 of the public key (SPKI, DER). */
  readonly nodeId: string;
  readonly publicKey: Uint8Array;
  /** Leaf first; empty without TLS. */
  readonly certificates: readonly Uint8Array[];
  readonly tags: Readonly<Record<string, unknown>>;
  /** What `verifyPeer` returned, such as the principal from the certificate. */
  readonly identity: unknown;
  readonly remoteAddress: string;
}

/** Lower number goes first. */
export type Priority = "control" | "rpc" | "gossip" | "bulk";

/**
 * What goes along with a request or stream from whoever began it, such as a W3C trace context. The
 * link carries the bytes and gives them no meaning; a peer that does not know them skips them.
 */
export interface LinkTraces {
  /** 1 to `TRACE_BYTES_MAX` bytes for what is begun now. Undefined: nothing goes along. */
  current(): Uint8Array | undefined;
  /** Runs the handler of what came with these bytes, which the peer chose. */
  run<Result>(trace: Uint8Array, work: () => Result): Result;
}

export interface RequestOptions {
  signal?: AbortSignal | undefined;
  /** Default 10,000. The time left travels with the request. */
  timeoutMs?: number | undefined;
  priority?: Priority | undefined;
}

export interface IncomingRequest {
  readonly peer: Peer;
  readonly method: string;
  readonly body: Uint8Array;
  /** Aborted when the caller cancels, its deadline passes, or the link closes. */
  readonly signal: AbortSignal;
}

/** Both directions of a stream end on their own; a reset ends both. */
export interface LinkStream {
  readonly method: string;
  /** What the opener sent with the opening frame. */
  readonly header: Uint8Array;
  readonly peer: Peer;
  /** Aborted when the stream was reset by either side or the link closed. */
  readonly signal: AbortSignal;
  /**
   * The peer's bytes in order. Taking them gives credit back. Throws when the stream is reset. A
   * loop that was broken off may be taken up again; until then the bytes wait and the peer runs out
   * of credit.
   */
  readonly readable: AsyncIterable<Uint8Array>;
  /**
   * Resolves when the peer's credit allowed the bytes and the channel took them; pieces may be of
   * any size. The bytes must not be changed afterwards, unless `copiesWrites` is true.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** True: the bytes may be changed once `write` has resolved. */
  readonly copiesWrites?: boolean;
  /** No more bytes will be written. */
  end(): void;
  /** `code` and `message` reach the peer as a `QWormholeError` with `remoteCode`. */
  reset(code: string, message: string, details?: Uint8Array): void;
}

/** One body, or its pieces. */
export type Answer = Uint8Array | readonly Uint8Array[];

export interface LinkHandlers {
  /**
   * Answers a request. A thrown error goes back as ERR: its `code` (when it is a string) and its
   * `wireDetails` (a Uint8Array, when present) travel; the text of an error without a code does
   * not.
   */
  onRequest?(request: IncomingRequest): Answer | Promise<Answer>;
  /**
   * Takes a stream of the peer. When the promise resolves, the stream is ended and what is unread
   * is dropped; when it rejects, the stream is reset with the error's `code` and `wireDetails`.
   */
  onStream?(stream: LinkStream): void | Promise<void>;
  /** `kind` and `priority` are those that the sender gave; see `SendOptions`. */
  onMessage?(data: Uint8Array, peer: Peer, kind: number, priority: Priority): void;
}

export interface SendOptions {
  /** Default `rpc`. */
  priority?: Priority;
  /**
   * 0 to 7, default 0: travels with the message and says to the layer above how to read it. The
   * link itself gives it no meaning.
   */
  kind?: number;
}

/**
 * A limit in bytes or messages per second, such as `TokenBucket`; shared by links that share it.
 */
export interface RateBucket {
  /** 0 when something may go now, else the time until then. */
  waitMs(nowMs: number): number;
  /** Takes what went, also more than there was. */
  take(amount: number, nowMs: number): void;
}

export interface Link {
  readonly peer: Peer;
  readonly closed: Promise<{ error: Error | undefined }>;
  readonly isOpen: boolean;
  /** Smoothed round trip, or undefined before the first PONG. */
  readonly roundTripMs: number | undefined;
  /** Body up to the negotiated message limit (default 1 MiB); larger ones go by stream. */
  request(
    method: string,
    body: Uint8Array | readonly Uint8Array[],
    options?: RequestOptions,
  ): Promise<Uint8Array>;
  openStream(
    method: string,
    header: Uint8Array,
    options?: { signal?: AbortSignal; priority?: Priority },
  ): Promise<LinkStream>;
  /**
   * One-way; throws when the link is closing. False when it had to be queued beyond the high-water
   * mark.
   */
  send(data: Uint8Array, options?: SendOptions): boolean;
  /** Resolves when the queue is below its low-water mark, or the link has closed. */
  drained(): Promise<void>;
  /** Sends GOAWAY, lets what is under way finish for `drainMs` (default 1,000), then ends. */
  close(reason?: string, drainMs?: number): Promise<void>;
  /** Ends at once, for a revoked or misbehaving peer. */
  destroy(error: Error): void;
  inspect(): LinkInspection;
}

export interface LinkInspection {
  bytesIn: number;
  bytesOut: number;
  framesIn: number;
  framesOut: number;
  /** Bytes that wait here for the channel. */
  queuedBytes: number;
  openRequests: number;
  openStreams: number;
  roundTripMs: number | undefined;
}

/** The key that this side proves in the handshake. */
export interface LinkIdentity {
  /** SPKI, DER. With TLS it must be the key of the certificate. */
  readonly publicKey: Uint8Array;
  /**
   * A signature over `bytes`: Ed25519, or ECDSA P-256 with SHA-256 in IEEE P1363 form (64 bytes).
   */
  sign(bytes: Uint8Array): Uint8Array;
}

export interface LinkOptions {
  identity: LinkIdentity;
  /** A function is asked once for each link, before anything is delivered. */
  handlers: LinkHandlers | ((link: Link) => LinkHandlers);
  tags?: Record<string, unknown>;
  /** Names the application protocol; both sides must say the same. Default `hearthmesh/1`. */
  protocol?: string;
  /**
   * Called after the signature was verified and before anything is delivered. Throws to refuse;
   * returns what becomes `peer.identity`.
   */
  verifyPeer?(peer: Omit<Peer, "identity">): unknown | Promise<unknown>;
  /** Dialling side only: the node id that must answer. */
  expectedNodeId?: string | undefined;
  /** Default 5,000. */
  handshakeTimeoutMs?: number;
  /** Silence after which a PING goes out. Default 1,000. */
  pingIntervalMs?: number;
  /** Silence after which the peer counts as dead. Default 3,000. */
  deadAfterMs?: number;
  /** What this side holds for its peer; see `LinkLimits`. */
  limits?: Partial<LinkLimits>;
  /** Default: nothing goes along with requests, and what comes along is skipped. */
  traces?: LinkTraces | undefined;
  /** Bytes that this side sends. Pings and credit are counted but never held back. */
  sendBuckets?: readonly RateBucket[];
  /** Bytes that this side reads; beyond them it stops reading, so that the peer has to wait. */
  receiveBuckets?: readonly RateBucket[];
  clock?: LinkClock;
  random?: LinkRandom;
}

/** Structurally the same as `Clock` of `@hearthmesh/core`, which this package does not import. */
export interface LinkClock {
  nowMs(): number;
  monotonicMs(): number;
  setTimeout(callback: () => void, delayMs: number): { cancel(): void };
}

export interface LinkRandom {
  bytes(length: number): Uint8Array;
  float(): number;
}
