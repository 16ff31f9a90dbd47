/**
 * A peer that keeps to the protocol as far as it is told, and may then say anything: for tests of
 * what strangers and broken peers can do. It dials; what it hears is kept as frames.
 */
import { Buffer } from "node:buffer";
import {
  encodeFrame,
  FrameDecoder,
  type FrameSink,
  FrameType,
  PayloadReader,
  PREAMBLE,
} from "../frames.js";
import { type HandshakeConfig, type HandshakeState, stepHandshake } from "../handshake.js";
import { NONCE_BYTES } from "../hello.js";
import { LINK_LIMITS_DEFAULT, MESSAGE_BYTES_HARD_MAX } from "../limits.js";
import type { LinkIdentity } from "../link.js";
import { systemLinkRandom } from "../system-clock.js";
import type { Address, Channel, Transport } from "../transport.js";
import { decodeWireError } from "../wire-error.js";
import { testIdentity } from "./certificates.js";

export interface RawPeerOptions {
  identity?: LinkIdentity;
  /** Default that of servers: `qwormhole/1`. */
  protocol?: string;
  /** What it says of itself beside its key. */
  hello?: Partial<HandshakeConfig["hello"]>;
  /** The handshake goes on until this frame would be said, and no further. Default: to its end. */
  stopBefore?: "preamble" | "HELLO" | "AUTH" | "READY";
}

export interface RawFrame {
  readonly type: number;
  readonly channel: number;
  readonly payload: Buffer;
}

/** What it takes: anything that a peer may send. */
const FRAME_BYTES_MAX = 2 * MESSAGE_BYTES_HARD_MAX;

export class RawPeer implements FrameSink {
  readonly channel: Channel;
  readonly frames: RawFrame[] = [];
  /** Everything that it said in the handshake. */
  readonly said: Uint8Array[] = [];
  readonly nodeIdentity: LinkIdentity;
  readonly closed: Promise<Error | undefined>;
  isClosed = false;
  bytesIn = 0;
  /** All bytes that it heard, while they are few. */
  heard: Buffer = Buffer.alloc(0);
  readonly #stopBefore: RawPeerOptions["stopBefore"];
  readonly #config: HandshakeConfig;
  readonly #decoder = new FrameDecoder(this, FRAME_BYTES_MAX);
  #state: HandshakeState = { phase: "new" };
  #stopped = false;

  /** Must be made in the tick in which the channel was made. */
  constructor(channel: Channel, options: RawPeerOptions = {}) {
    this.channel = channel;
    this.nodeIdentity = options.identity ?? testIdentity();
    this.#stopBefore = options.stopBefore;
    this.#config = configOf(channel, this.nodeIdentity, options);
    let settle: (error: Error | undefined) => void = () => {};
    this.closed = new Promise((resolve) => {
      settle = resolve;
    });
    channel.setHandlers({
      onData: (bytes) => this.#onData(bytes),
      onDrain() {},
      onClose: (error) => {
        this.isClosed = true;
        settle(error);
      },
    });
    if (this.#stopBefore === "preamble") this.#stopped = true;
    else this.#say(PREAMBLE);
    this.#step({ type: "start" });
  }

  /** Resolves when it has said all that it is to say, or was refused. */
  static async dial(
    transport: Transport,
    address: Address,
    options: RawPeerOptions = {},
  ): Promise<RawPeer> {
    const peer = new RawPeer(await transport.dial(address), options);
    await peer.until(() => peer.isClosed || peer.#stopped || peer.isOpen || peer.wasRefused);
    return peer;
  }

  get isOpen(): boolean {
    return this.#state.phase === "open";
  }

  get wasRefused(): boolean {
    return this.#state.phase === "failed";
  }

  write(...pieces: Uint8Array[]): void {
    this.channel.write(pieces);
  }

  frame(type: number, channel: number, payload: Uint8Array = new Uint8Array(0)): void {
    this.write(encodeFrame(type, channel, payload));
  }

  /** Frames of one type. */
  of(type: number): RawFrame[] {
    return this.frames.filter((frame) => frame.type === type);
  }

  /** The code that the other side gave in its last ERR, STREAM_RESET or GOAWAY. */
  get toldCode(): string | undefined {
    const last = this.frames.findLast(({ type }) => ERRORS.has(type));
    return last === undefined ? undefined : codeIn(last.payload);
  }

  /** Looks again after each turn of the event loop. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise((resolve) => setImmediate(resolve));
  }

  onFrame(type: number, channel: number, bytes: Uint8Array, start: number, end: number): void {
    const payload = Buffer.from(bytes.subarray(start, end));
    this.frames.push({ type, channel, payload });
    this.#step({ type: "frame", frame: type, payload });
  }

  #onData(bytes: Uint8Array): void {
    this.bytesIn += bytes.length;
    if (this.bytesIn < 1 << 20) this.heard = Buffer.concat([this.heard, bytes]);
    this.#decoder.push(bytes);
  }

  #say(bytes: Uint8Array): void {
    this.said.push(bytes);
    this.channel.write([bytes]);
  }

  #step(event: Parameters<typeof stepHandshake>[2]): void {
    if (this.#stopped) return;
    const { state, effects } = stepHandshake(this.#config, this.#state, event);
    this.#state = state;
    for (const effect of effects) {
      if (effect.type === "verify") this.#step({ type: "verified", identity: undefined });
      if (effect.type !== "send") continue;
      if (this.#stopBefore !== undefined && FrameType[nameOf(this.#stopBefore)] === effect.frame) {
        this.#stopped = true;
        return;
      }
      this.#say(encodeFrame(effect.frame, 0, effect.payload));
    }
  }
}

const ERRORS: ReadonlySet<number> = new Set([
  FrameType.ERR,
  FrameType.STREAM_RESET,
  FrameType.GOAWAY,
]);

/** The code in an encoded error. */
export function codeIn(payload: Uint8Array): string {
  return decodeWireError(new PayloadReader(payload, 0, payload.length)).code;
}

function nameOf(stop: NonNullable<RawPeerOptions["stopBefore"]>): "HELLO" | "AUTH" | "READY" {
  return stop === "preamble" ? "HELLO" : stop;
}

function configOf(
  channel: Channel,
  identity: LinkIdentity,
  options: RawPeerOptions,
): HandshakeConfig {
  const { messageBytesMax, streamBaseBytes, streamsMax, requestsMax } = LINK_LIMITS_DEFAULT;
  return {
    side: "dialer",
    identity,
    hello: {
      protocol: options.protocol ?? "qwormhole/1",
      nonce: systemLinkRandom().bytes(NONCE_BYTES),
      tags: {},
      messageBytesMax,
      streamBaseBytes,
      streamsMax,
      requestsMax,
      ...options.hello,
    },
    binding: channel.binding,
    peerCertificates: channel.peerCertificates,
    certificateKey: undefined,
    remoteAddress: channel.remoteAddress,
    expectedNodeId: undefined,
  };
}
