/**
 * What a link runs over. A transport makes channels: ordered, reliable, two-way byte pipes. TLS is
 * the one for networks, TCP for tunnels and loopback, memory for tests and for a node that talks to
 * itself; the simulator brings its own. All of them pass the suite in `testing/`.
 */

/** Where to listen or dial. Memory and simulated transports use `host` as a name. */
export interface Address {
  host: string;
  port: number;
}

export interface Channel {
  readonly kind: "memory" | "tcp" | "tls" | "simulated";
  readonly localAddress: string;
  readonly remoteAddress: string;
  /**
   * 32 bytes that both ends know and no other channel has: the TLS exporter (RFC 8446, 7.5). The
   * handshake signs it, so that a handshake can be neither replayed nor relayed. Plain TCP has no
   * such secret and gives 32 zero bytes.
   */
  readonly binding: Uint8Array;
  /** The peer's certificate chain as DER, leaf first; empty without TLS. */
  readonly peerCertificates: readonly Uint8Array[];
  /** True: what was given to `write` may be used again at once, for nothing refers to it. */
  readonly copiesWrites?: boolean;
  /** Queues the pieces in order. False: wait for `onDrain` before writing much more. */
  write(pieces: readonly Uint8Array[]): boolean;
  /** Bytes that were written and are not yet with the operating system. */
  readonly bufferedBytes: number;
  /** Must be set once, before the first turn of the event loop after the channel was made. */
  setHandlers(handlers: ChannelHandlers): void;
  /** Stops and continues the delivery of data (back-pressure towards the peer). */
  pause(): void;
  resume(): void;
  /** Sends what was written, then ends. */
  end(): void;
  /** Ends at once; what was not sent is lost. */
  destroy(error?: Error): void;
}

export interface ChannelHandlers {
  onData(bytes: Uint8Array): void;
  onDrain(): void;
  /** Exactly once. `error` is undefined for an orderly end. */
  onClose(error: Error | undefined): void;
}

export interface Listener {
  readonly address: Address;
  /** Stops accepting; open channels live on. */
  close(): Promise<void>;
}

export interface DialOptions {
  signal?: AbortSignal;
  timeoutMs?: number;
  /** The own address to dial from. Memory and simulated transports have none and ignore it. */
  localAddress?: string;
  /** For a name that has addresses of both families. */
  family?: 4 | 6;
}

export interface Transport {
  /** Resolves when it accepts. Rejects with `QW_ADDRESS_IN_USE` or `QW_LISTEN_FAILED`. */
  listen(address: Address, onChannel: (channel: Channel) => void): Promise<Listener>;
  /** Resolves when the channel is ready for bytes (for TLS: both certificates were verified). */
  dial(address: Address, options?: DialOptions): Promise<Channel>;
}
