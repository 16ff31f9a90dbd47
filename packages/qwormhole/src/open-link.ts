/** Runs the handshake machine over a channel and makes the link. */
import { X509Certificate } from "node:crypto";
import { QWormholeError } from "./errors.js";
import { encodeFrame, FrameDecoder, type FrameSink, FrameType, PREAMBLE } from "./frames.js";
import {
  type HandshakeConfig,
  type HandshakeEffect,
  type HandshakeEvent,
  type HandshakeState,
  type Side,
  stepHandshake,
} from "./handshake.js";
import { type Hello, NONCE_BYTES } from "./hello.js";
import {
  HANDSHAKE_FRAMES_MAX,
  HANDSHAKE_PAYLOAD_BYTES_MAX,
  LINK_LIMITS_DEFAULT,
  type LinkLimits,
  MESSAGE_BYTES_HARD_MAX,
} from "./limits.js";
import type { Link, LinkClock, LinkOptions, Peer } from "./link.js";
import { LinkRuntime } from "./link-runtime.js";
import { systemLinkClock, systemLinkRandom } from "./system-clock.js";
import type { Channel } from "./transport.js";
import { encodeWireError, toWireError } from "./wire-error.js";

const PROTOCOL_DEFAULT = "hearthmesh/1";
const HANDSHAKE_TIMEOUT_MS_DEFAULT = 5000;
const PING_INTERVAL_MS_DEFAULT = 1000;
const DEAD_AFTER_MS_DEFAULT = 3000;
/** How long a refused channel may take to close. */
const REFUSAL_MS_MAX = 1000;

/**
 * Makes a link of a channel. Must be called in the tick in which the channel was made. Rejects with
 * a `QWormholeError` when the handshake fails; the channel is closed then. `onOpen` is called
 * before any request, stream or message is delivered.
 */
export function openLink(
  channel: Channel,
  side: Side,
  options: LinkOptions,
  onOpen?: (link: Link) => void,
): Promise<Link> {
  return new Promise((resolve, reject) => {
    const opened = (link: Link) => {
      try {
        onOpen?.(link);
        resolve(link);
      } catch (cause) {
        const isOurs = cause instanceof QWormholeError;
        const error = isOurs ? cause : new QWormholeError("QW_HANDLER_FAILED", { cause });
        link.destroy(error);
        reject(error);
      }
    };
    try {
      new Opening(channel, side, options, opened, reject).start();
    } catch (error) {
      channel.destroy();
      reject(error);
    }
  });
}

class Opening implements FrameSink {
  readonly #channel: Channel;
  readonly #side: Side;
  readonly #options: LinkOptions;
  readonly #resolve: (link: Link) => void;
  readonly #reject: (error: Error) => void;
  readonly #clock: LinkClock;
  readonly #limits: LinkLimits;
  readonly #config: HandshakeConfig;
  readonly #decoder = new FrameDecoder(this, HANDSHAKE_PAYLOAD_BYTES_MAX + 16);
  readonly #timer: { cancel(): void };
  #state: HandshakeState = { phase: "new" };
  #frames = 0;
  #bytesIn = 0;
  #bytesOut = 0;
  #link: LinkRuntime | undefined;
  #over = false;

  constructor(
    channel: Channel,
    side: Side,
    options: LinkOptions,
    resolve: (link: Link) => void,
    reject: (error: Error) => void,
  ) {
    this.#channel = channel;
    this.#side = side;
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#clock = options.clock ?? systemLinkClock();
    this.#limits = mergeLimits(options.limits);
    this.#config = handshakeConfig(channel, side, options, this.#limits);
    const timeoutMs = options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS_DEFAULT;
    this.#timer = this.#clock.setTimeout(() => this.#step({ type: "timeout" }), timeoutMs);
  }

  start(): void {
    this.#channel.setHandlers({
      onData: (bytes) => this.#onData(bytes),
      onDrain: () => this.#link?.onDrain(),
      onClose: (error) => this.#onClose(error),
    });
    this.#write(PREAMBLE);
    this.#step({ type: "start" });
  }

  /** Frames of the handshake, and after it those of the link. */
  onFrame(type: number, channel: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.#link !== undefined) {
      this.#link.onFrame(type, channel, bytes, start, end);
      return;
    }
    if (channel !== 0 || ++this.#frames > HANDSHAKE_FRAMES_MAX) {
      throw new QWormholeError("QW_HANDSHAKE_INVALID");
    }
    this.#step({ type: "frame", frame: type, payload: bytes.subarray(start, end) });
  }

  #onData(bytes: Uint8Array): void {
    if (this.#link !== undefined) {
      this.#link.onBytes(bytes);
      return;
    }
    if (this.#over) return;
    this.#bytesIn += bytes.length;
    try {
      this.#decoder.push(bytes);
    } catch (error) {
      if (this.#link !== undefined) (this.#link as LinkRuntime).breakOff(error as Error);
      else this.#fail(error as Error, true);
    }
  }

  #write(bytes: Uint8Array): void {
    this.#bytesOut += bytes.length;
    this.#channel.write([bytes]);
  }

  #onClose(error: Error | undefined): void {
    if (this.#link !== undefined) {
      this.#link.onChannelClose(error);
      return;
    }
    const hint = "; perhaps it refuses this side's certificate, which its `refused` event tells";
    const isTls = this.#channel.kind === "tls" && this.#side === "dialer";
    const message = `the peer ended the connection during the handshake${isTls ? hint : ""}`;
    this.#fail(
      error instanceof QWormholeError
        ? error
        : new QWormholeError("QW_LINK_LOST", { message, cause: error }),
      false,
    );
  }

  #step(event: HandshakeEvent): void {
    if (this.#over) return;
    const { state, effects } = stepHandshake(this.#config, this.#state, event);
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: HandshakeEffect): void {
    switch (effect.type) {
      case "send":
        this.#write(encodeFrame(effect.frame, 0, effect.payload));
        return;
      case "verify":
        this.#verify(effect.peer);
        return;
      case "open":
        this.#open(effect.peer, effect.hello);
        return;
      case "fail":
        this.#fail(effect.error, effect.tellPeer);
    }
  }

  async #verify(peer: Omit<Peer, "identity">): Promise<void> {
    let identity: unknown;
    try {
      identity = await this.#options.verifyPeer?.(peer);
    } catch (cause) {
      this.#step({ type: "refused", cause });
      return;
    }
    this.#step({ type: "verified", identity });
  }

  #open(peer: Peer, hello: Hello): void {
    this.#over = true;
    this.#timer.cancel();
    const { pingIntervalMs, deadAfterMs, handlers, sendBuckets, receiveBuckets } = this.#options;
    const link = new LinkRuntime({
      side: this.#side,
      channel: this.#channel,
      decoder: this.#decoder,
      peer,
      hello,
      handlers,
      limits: this.#limits,
      clock: this.#clock,
      pingIntervalMs: pingIntervalMs ?? PING_INTERVAL_MS_DEFAULT,
      deadAfterMs: deadAfterMs ?? DEAD_AFTER_MS_DEFAULT,
      sendBuckets,
      receiveBuckets,
      traces: this.#options.traces,
      handshakeBytes: { in: this.#bytesIn, out: this.#bytesOut },
    });
    this.#link = link;
    link.start();
    this.#resolve(link);
  }

  #fail(error: Error, tellPeer: boolean): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer.cancel();
    this.#decoder.stop();
    if (tellPeer) {
      this.#write(encodeFrame(FrameType.ERR, 0, encodeWireError(refusalOf(error))));
      this.#channel.end();
      this.#clock.setTimeout(() => this.#channel.destroy(), REFUSAL_MS_MAX);
    } else this.#channel.destroy();
    this.#reject(error);
  }
}

/**
 * What a refused peer is told: for a refusal by `verifyPeer` the code of the error that it threw.
 */
function refusalOf(error: Error): ReturnType<typeof toWireError> {
  const isRefusal = error instanceof QWormholeError && error.code === "QW_PEER_REFUSED";
  const cause = isRefusal ? (error.cause as { code?: unknown } | undefined) : undefined;
  return toWireError(typeof cause?.code === "string" ? cause : error);
}

/** Throws `QW_OPTIONS_INVALID`. */
export function mergeLimits(limits: Partial<LinkLimits> = {}): LinkLimits {
  const merged = { ...LINK_LIMITS_DEFAULT, ...limits };
  const { messageBytesMax, streamBaseBytes, streamWindowBytes, queueBytesMax } = merged;
  const whole = Object.values(merged).every((value) => Number.isSafeInteger(value) && value >= 0);
  if (!whole || messageBytesMax > MESSAGE_BYTES_HARD_MAX || streamWindowBytes < streamBaseBytes) {
    throw new QWormholeError("QW_OPTIONS_INVALID", { message: "the link limits are not possible" });
  }
  if (queueBytesMax < messageBytesMax) {
    const message = "`queueBytesMax` is smaller than one message";
    throw new QWormholeError("QW_OPTIONS_INVALID", { message });
  }
  return merged;
}

function handshakeConfig(
  channel: Channel,
  side: Side,
  options: LinkOptions,
  limits: LinkLimits,
): HandshakeConfig {
  const random = options.random ?? systemLinkRandom();
  const { messageBytesMax, streamBaseBytes, streamsMax, requestsMax } = limits;
  return {
    side,
    identity: options.identity,
    hello: {
      protocol: options.protocol ?? PROTOCOL_DEFAULT,
      nonce: random.bytes(NONCE_BYTES),
      tags: options.tags ?? {},
      messageBytesMax,
      streamBaseBytes,
      streamsMax,
      requestsMax,
    },
    binding: channel.binding,
    peerCertificates: channel.peerCertificates,
    certificateKey: keyOfCertificate(channel.peerCertificates[0]),
    remoteAddress: channel.remoteAddress,
    expectedNodeId: side === "dialer" ? options.expectedNodeId : undefined,
  };
}

function keyOfCertificate(certificate: Uint8Array | undefined): Uint8Array | undefined {
  if (certificate === undefined) return undefined;
  try {
    return new X509Certificate(certificate).publicKey.export({ format: "der", type: "spki" });
  } catch (cause) {
    const message = "the peer's certificate cannot be read";
    throw new QWormholeError("QW_KEY_MISMATCH", { message, cause });
  }
}
