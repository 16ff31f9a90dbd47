/** Makes what a server or client runs on out of its options. */
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { chooseTransport } from "../choose-transport.js";
import { QWormholeError } from "../errors.js";
import { linkIdentityOf } from "../keys.js";
import { LINK_LIMITS_DEFAULT } from "../limits.js";
import type {
  LinkClock,
  LinkIdentity,
  LinkOptions,
  LinkRandom,
  Priority,
  RateBucket,
} from "../link.js";
import type { Serializer } from "../message-kind.js";
import { mergeLimits } from "../open-link.js";
import { Pacer } from "../pacer.js";
import { pinChecker } from "../pins.js";
import { valueSerializer } from "../serializers.js";
import { systemLinkClock, systemLinkRandom } from "../system-clock.js";
import type { TlsCredentials } from "../tls-transport.js";
import { TokenBucket } from "../token-bucket.js";
import type { Transport } from "../transport.js";
import {
  channelPolicies,
  checkSharedOptions,
  PROTOCOL_VERSION_DEFAULT,
  type QWormholeServerOptions,
  type RateLimit,
  type SharedOptions,
  type UnverifiedPeer,
} from "./options.js";
import { type ChannelPolicy, SendQueue, type SendQueueHost } from "./send-queue.js";

export interface Parts {
  readonly clock: LinkClock;
  readonly random: LinkRandom;
  readonly transport: Transport;
  readonly protocolVersion: string;
  readonly serializer: Serializer;
  readonly policies: Readonly<Record<Priority, ChannelPolicy>>;
  /** All but the handlers. Identity and buckets are asked for anew with each link. */
  readonly linkOptions: Omit<LinkOptions, "handlers">;
  /** Takes the present TLS credentials for new connections. */
  reload(): void;
}

/** Buckets that several links share, made once. */
export interface SharedBuckets {
  readonly send: readonly RateBucket[];
  readonly receive: readonly RateBucket[];
}

/**
 * Throws `QW_OPTIONS_INVALID`. Credentials are looked at when a server listens or a client dials.
 */
export function makeParts(
  options: SharedOptions & Pick<QWormholeServerOptions, "halfOpenMax" | "halfOpenPerAddressMax">,
  makeShared: (clock: LinkClock) => SharedBuckets,
  onRefused: (error: Error, remoteAddress: string) => void,
): Parts {
  checkSharedOptions(options);
  mergeLimits(options.limits);
  const clock = options.clock ?? systemLinkClock();
  const random = options.random ?? systemLinkRandom();
  // A process that waits for its interface must not end meanwhile.
  const dialClock = options.clock ?? systemLinkClock({ keepsAlive: true });
  const credentials = options.tls === undefined ? undefined : new Credentials(options.tls);
  const tls = credentials === undefined ? undefined : () => credentials.fresh();
  const chosen =
    options.transport === undefined
      ? chooseTransport({ ...options, tls, clock: dialClock, onRefused })
      : { transport: options.transport, reload: () => {} };
  const protocolVersion = options.protocolVersion ?? PROTOCOL_VERSION_DEFAULT;
  return {
    clock,
    random,
    transport: chosen.transport,
    reload: () => (credentials === undefined ? chosen.reload() : credentials.keepIf(chosen.reload)),
    protocolVersion,
    serializer: options.serializer ?? valueSerializer,
    policies: channelPolicies(options.channels),
    linkOptions: linkOptionsOf(
      options,
      { clock, random, protocolVersion, identityOf: identitySource(options, credentials) },
      makeShared(clock),
    ),
  };
}

function linkOptionsOf(
  options: SharedOptions,
  parts: {
    clock: LinkClock;
    random: LinkRandom;
    protocolVersion: string;
    identityOf: () => LinkIdentity;
  },
  shared: SharedBuckets,
): Omit<LinkOptions, "handlers"> {
  const { clock, random, protocolVersion, identityOf } = parts;
  const { handshakeTags, handshakeTimeoutMs, pingIntervalMs, deadAfterMs, limits } = options;
  return {
    get identity() {
      return identityOf();
    },
    get sendBuckets() {
      return [...byteBuckets(options.sendRateLimit, clock), ...shared.send];
    },
    get receiveBuckets() {
      return [...byteBuckets(options.receiveRateLimit, clock), ...shared.receive];
    },
    verifyPeer: peerVerifier(options),
    protocol: protocolVersion,
    tags: { ...handshakeTags },
    clock,
    random,
    ...(handshakeTimeoutMs === undefined ? {} : { handshakeTimeoutMs }),
    ...(pingIntervalMs === undefined ? {} : { pingIntervalMs }),
    ...(deadAfterMs === undefined ? {} : { deadAfterMs }),
    ...(limits === undefined ? {} : { limits }),
  };
}

/** None, or one, for `bytesPerSec`. */
export function byteBuckets(
  limit: Pick<RateLimit, "bytesPerSec" | "burstBytes"> | undefined,
  clock: LinkClock,
): RateBucket[] {
  const { bytesPerSec: perSec, burstBytes = perSec } = limit ?? {};
  if (perSec === undefined || burstBytes === undefined) return [];
  return [new TokenBucket({ perSec, burst: burstBytes }, clock.monotonicMs())];
}

/** A queue of one connection or client, with the options that both have. */
export function makeSendQueue(
  { clock, policies }: Parts,
  { sendRateLimit, limits }: SharedOptions,
  host: Omit<SendQueueHost, "clock" | "policies" | "pacer" | "onBackpressure"> & {
    onBackpressure(queuedBytes: number, threshold: number): void;
  },
): SendQueue {
  const buckets = messageBuckets(sendRateLimit, clock);
  const threshold = limits?.highWaterBytes ?? LINK_LIMITS_DEFAULT.highWaterBytes;
  const queue: SendQueue = new SendQueue({
    ...host,
    clock,
    policies,
    pacer: buckets.length === 0 ? undefined : new Pacer(buckets, clock, () => queue.pump()),
    onBackpressure: (queuedBytes) => host.onBackpressure(queuedBytes, threshold),
  });
  return queue;
}

/** None, or one, for `messagesPerSec`. */
function messageBuckets(limit: RateLimit | undefined, clock: LinkClock): RateBucket[] {
  const { messagesPerSec: perSec, burstMessages = perSec } = limit ?? {};
  if (perSec === undefined || burstMessages === undefined) return [];
  return [new TokenBucket({ perSec, burst: burstMessages }, clock.monotonicMs())];
}

/**
 * The TLS credentials that are in use: asked for anew at each listen, dial and `reload`, and kept
 * between, so that a link proves the key of the certificate that its connection has.
 */
class Credentials {
  readonly #ask: () => TlsCredentials;
  #present: TlsCredentials | undefined;
  #identity: { keyPem: string; identity: LinkIdentity } | undefined;

  constructor(tls: TlsCredentials | (() => TlsCredentials)) {
    this.#ask = typeof tls === "function" ? tls : () => tls;
  }

  fresh(): TlsCredentials {
    this.#present = this.#ask();
    return this.#present;
  }

  get identity(): LinkIdentity {
    const { keyPem } = this.#present ?? this.fresh();
    if (this.#identity?.keyPem !== keyPem) {
      this.#identity = { keyPem, identity: identityOfPem(keyPem) };
    }
    return this.#identity.identity;
  }

  /** Goes back to the credentials before when `use` throws. */
  keepIf(use: () => void): void {
    const before = this.#present;
    try {
      use();
    } catch (error) {
      this.#present = before;
      throw error;
    }
  }
}

/** With TLS it is the key of the certificate, which may change at a reload. */
function identitySource(
  { identity }: SharedOptions,
  credentials: Credentials | undefined,
): () => LinkIdentity {
  if (identity !== undefined) return () => identity;
  if (credentials !== undefined) return () => credentials.identity;
  const fresh = freshIdentity();
  return () => fresh;
}

/** A key for the life of this process; the peer can tell connections of it apart, and no more. */
export function freshIdentity(): LinkIdentity {
  return linkIdentityOf(generateKeyPairSync("ed25519").privateKey);
}

function identityOfPem(keyPem: string): LinkIdentity {
  try {
    return linkIdentityOf(createPrivateKey(keyPem));
  } catch (cause) {
    if (cause instanceof QWormholeError) throw cause;
    // The cause of OpenSSL may quote the input.
    const message = "`tls.keyPem` is not a private key in PEM without a passphrase";
    throw new QWormholeError("QW_TLS_FAILED", { message });
  }
}

function peerVerifier(options: SharedOptions): (peer: UnverifiedPeer) => Promise<undefined> {
  const checkPins = options.pins === undefined ? undefined : pinChecker(options.pins);
  return async (peer) => {
    checkPins?.(peer.publicKey);
    if ((await options.verifyHandshake?.(peer)) === false) {
      throw new QWormholeError("QW_PEER_REFUSED");
    }
    return undefined;
  };
}
