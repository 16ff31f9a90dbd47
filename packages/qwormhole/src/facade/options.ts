/** The options of runtimes, servers and clients, with their defaults. */

import { QWormholeError } from "../errors.js";
import type { LinkLimits } from "../limits.js";
import type { LinkClock, LinkIdentity, LinkRandom, Peer, Priority } from "../link.js";
import type { Deserializer, Serializer } from "../message-kind.js";
import type { NetworkInterfaces } from "../network-interfaces.js";
import { PRIORITIES } from "../outbox.js";
import type { TlsCredentials } from "../tls-transport.js";
import type { Address, Transport } from "../transport.js";
import type { ClientMetrics, ServerMetrics } from "./metrics.js";
import { CHANNEL_POLICY_DEFAULT, type ChannelPolicy } from "./send-queue.js";

export const PROTOCOL_VERSION_DEFAULT = "qwormhole/1";
export const TELEMETRY_INTERVAL_MS_DEFAULT = 5000;
export const DRAIN_MS_DEFAULT = 1000;

/**
 * The long-run rate is exact; `burst` may go at once after a pause (default: what one second may).
 */
export interface RateLimit {
  bytesPerSec?: number | undefined;
  burstBytes?: number | undefined;
  messagesPerSec?: number | undefined;
  burstMessages?: number | undefined;
}

/** Who is at the other end, before it is let in. */
export type UnverifiedPeer = Omit<Peer, "identity">;

/** What servers and clients have in common, and what a runtime hands to both. */
export interface SharedOptions {
  /** Names what the application speaks; a peer that says another is refused. */
  protocolVersion?: string | undefined;
  /** What this side tells about itself: any JSON values, 8 KiB together. Not a secret. */
  handshakeTags?: Readonly<Record<string, unknown>> | undefined;
  /** Mutual TLS 1.3. A function is asked at each dial and at `reload()`. */
  tls?: TlsCredentials | (() => TlsCredentials) | undefined;
  /**
   * Plain TCP, and why it is safe. With neither `tls` nor this, plain TCP is used on loopback and
   * on interfaces that this machine knows to be WireGuard, and refused anywhere else.
   */
  insecure?: "loopback" | "wireguard" | undefined;
  /** Only peers with one of these keys: node ids, or `sha256/<base64>` of the public key (SPKI). */
  pins?: readonly string[] | undefined;
  /** Dial from, or listen on, this interface only; its address is looked up at each dial. */
  interfaceName?: string | undefined;
  /** Dial from this own address. */
  localAddress?: string | undefined;
  /** Networks behind the interface, such as `10.1.0.0/16`, beside those of its addresses. */
  interfaceNetworks?: readonly string[] | undefined;
  /** How long a dial or `listen` waits for an interface that is not there yet. Default 5,000. */
  interfaceWaitMs?: number | undefined;
  /** The key that this side proves. Default: that of the certificate, or a new one. */
  identity?: LinkIdentity | undefined;
  serializer?: Serializer | undefined;
  /** Throws or answers false to refuse a peer, after its key was verified. May take its time. */
  verifyHandshake?:
    | ((peer: UnverifiedPeer) => boolean | undefined | Promise<boolean | undefined>)
    | undefined;
  /** Default 5,000. */
  handshakeTimeoutMs?: number | undefined;
  /** Silence after which a PING goes out, and after which the peer is dead. 1,000 and 3,000. */
  pingIntervalMs?: number | undefined;
  deadAfterMs?: number | undefined;
  /** What a full queue means, by priority. */
  channels?: Partial<Record<Priority, Partial<ChannelPolicy>>> | undefined;
  /** For each connection. */
  sendRateLimit?: RateLimit | undefined;
  receiveRateLimit?: Pick<RateLimit, "bytesPerSec" | "burstBytes"> | undefined;
  /** Frames, windows and requests; see `LinkLimits`. */
  limits?: Partial<LinkLimits> | undefined;
  telemetryIntervalMs?: number | undefined;
  /** Handed in for tests and simulations. */
  transport?: Transport | undefined;
  clock?: LinkClock | undefined;
  random?: LinkRandom | undefined;
  network?: NetworkInterfaces | undefined;
}

export interface QWormholeServerOptions<T = unknown> extends SharedOptions {
  /** Default `127.0.0.1`. */
  host?: string | undefined;
  /** Default 0: any free port, which `listen()` answers. */
  port?: number | undefined;
  /** Default: each message arrives as the value that was sent. */
  deserializer?: Deserializer<T> | undefined;
  /** Connections at once, and handshakes under way in all and from one address. */
  connectionsMax?: number | undefined;
  halfOpenMax?: number | undefined;
  halfOpenPerAddressMax?: number | undefined;
  /** For all connections together. */
  totalSendRateLimit?: Pick<RateLimit, "bytesPerSec" | "burstBytes"> | undefined;
  totalReceiveRateLimit?: Pick<RateLimit, "bytesPerSec" | "burstBytes"> | undefined;
  /**
   * Whether what a client publishes is passed on to other subscribers. Without it only the server's
   * own subscribers get it.
   */
  authorizePublish?: ((client: ClientFacts, topic: string) => boolean) | undefined;
  /** Whether a client may subscribe. Without it, it may. */
  authorizeSubscribe?: ((client: ClientFacts, pattern: string) => boolean) | undefined;
  onTelemetry?: ((metrics: ServerMetrics) => void) | undefined;
}

/** Who asks, for decisions. */
export interface ClientFacts {
  readonly id: string;
  readonly peer: Peer;
}

export interface ReconnectOptions {
  /** Default true. */
  enabled?: boolean | undefined;
  /** Default 250. */
  initialDelayMs?: number | undefined;
  /** Default 30,000. */
  maxDelayMs?: number | undefined;
  /** Default 2. */
  multiplier?: number | undefined;
  /** Attempts in a row; 0, the default, never gives up. */
  maxAttempts?: number | undefined;
  /** A connection that lasted this long makes the count begin anew. Default 5,000. */
  stableAfterMs?: number | undefined;
}

export interface QWormholeClientOptions<T = unknown> extends SharedOptions {
  host?: string | undefined;
  port?: number | undefined;
  /** Instead of `host` and `port`: tried in this order, the first preferred. */
  endpoints?: readonly Address[] | undefined;
  /**
   * How often an earlier endpoint is probed while a later one is used; 0: never. Default 30,000.
   */
  failBackMs?: number | undefined;
  deserializer?: Deserializer<T> | undefined;
  /** The key of this node is expected at the other end. */
  expectedNodeId?: string | undefined;
  /** For one dial, without the handshake. Default 5,000. */
  connectTimeoutMs?: number | undefined;
  /**
   * When it is given, also `connect()` tries again in this way; otherwise `connect()` tries each
   * endpoint once, and only a lost connection is dialled again.
   */
  reconnect?: ReconnectOptions | undefined;
  /** What `send` does without a connection. Default `queue`. */
  whileDisconnected?: "queue" | "error" | undefined;
  /** How long a message waits for a connection. Default 30,000. */
  queueWaitMs?: number | undefined;
  onTelemetry?: ((metrics: ClientMetrics) => void) | undefined;
}

/** Every channel's policy. Throws `QW_OPTIONS_INVALID`. */
export function channelPolicies(
  channels: SharedOptions["channels"] = {},
): Record<Priority, ChannelPolicy> {
  const policies = Object.fromEntries(
    PRIORITIES.map((priority) => [priority, { ...CHANNEL_POLICY_DEFAULT, ...channels[priority] }]),
  ) as Record<Priority, ChannelPolicy>;
  for (const name of Object.keys(channels)) {
    if (!(name in policies)) throw invalid(`\`channels.${name}\`: the channels are ${PRIORITIES}`);
  }
  for (const [name, { queueBytesMax, queueMessagesMax, whenFull }] of Object.entries(policies)) {
    atLeast(`channels.${name}.queueBytesMax`, queueBytesMax, 0);
    atLeast(`channels.${name}.queueMessagesMax`, queueMessagesMax, 0);
    if (!["error", "drop-newest", "drop-oldest", "disconnect"].includes(whenFull)) {
      throw invalid(`\`channels.${name}.whenFull\` is ${whenFull}`);
    }
  }
  return policies;
}

/** Throws `QW_OPTIONS_INVALID` unless the option is left out or a number of at least `min`. */
export function atLeast(name: string, value: number | undefined, min: number): void {
  if (value === undefined || (Number.isFinite(value) && value >= min)) return;
  throw invalid(`\`${name}\` is ${value}; it is a number of at least ${min}`);
}

export function checkSharedOptions(options: SharedOptions): void {
  const { protocolVersion, telemetryIntervalMs, handshakeTimeoutMs } = options;
  if (protocolVersion !== undefined && !/^[\x21-\x7e]{1,64}$/.test(protocolVersion)) {
    throw invalid("`protocolVersion` has 1 to 64 printable ASCII characters without spaces");
  }
  atLeast("telemetryIntervalMs", telemetryIntervalMs, 10);
  atLeast("handshakeTimeoutMs", handshakeTimeoutMs, 1);
  atLeast("pingIntervalMs", options.pingIntervalMs, 1);
  atLeast("deadAfterMs", options.deadAfterMs, options.pingIntervalMs ?? 1);
  atLeast("interfaceWaitMs", options.interfaceWaitMs, 0);
  checkRateLimit("sendRateLimit", options.sendRateLimit);
  checkRateLimit("receiveRateLimit", options.receiveRateLimit);
}

export function checkRateLimit(name: string, limit: RateLimit = {}): void {
  for (const [key, value] of Object.entries(limit)) atLeast(`${name}.${key}`, value, 1);
}

/** Throws `QW_OPTIONS_INVALID`. */
export function checkPort(port: number | undefined, min: number): void {
  if (Number.isInteger(port) && (port as number) >= min && (port as number) <= 65_535) return;
  throw invalid(`\`port\` is ${port}; it is a whole number from ${min} to 65535`);
}

export function invalid(message: string): QWormholeError {
  return new QWormholeError("QW_OPTIONS_INVALID", { message });
}
