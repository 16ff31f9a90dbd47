/**
 * One connection to one member in one epoch. The certificate is verified before this begins; here
 * the first frame has to be a HELLO with the digest of the same plan, and no other frame is looked
 * at before it.
 */
import type { Clock, Timer } from "@hearthmesh/core";
import type { Channel } from "@hearthmesh/qwormhole";
import {
  type FrameHeader,
  FrameKind,
  FrameReader,
  HEADER_BYTES,
  invalidFrame,
  writeHeader,
} from "./frame-codec.js";
import { decodeHello, encodeHello, HELLO_BYTES, type Hello } from "./greeting-codec.js";
import { HANDSHAKE_MS_MAX } from "./limits.js";
import type { RingMeter } from "./ring-meter.js";

export interface PeerConnectionOptions {
  readonly channel: Channel;
  readonly epoch: number;
  readonly hello: Hello;
  readonly meter: RingMeter;
  readonly clock: Clock;
  /** Of frames after the HELLO. */
  payloadBytesMax(kind: number): number;
  onGreeted(peer: PeerConnection, hello: Hello): void;
  onFrame(header: FrameHeader, payload: Uint8Array): void;
  /** Once. Whatever a handler threw, or undefined when the connection ended or was closed. */
  onEnd(peer: PeerConnection, cause: unknown): void;
}

export class PeerConnection {
  readonly #options: PeerConnectionOptions;
  readonly #timer: Timer;
  #state: "new" | "greeted" | "ended" = "new";
  #dropped = 0;

  constructor(options: PeerConnectionOptions) {
    const { channel, clock } = options;
    this.#options = options;
    this.#timer = clock.setTimeout(() => this.#end(undefined), HANDSHAKE_MS_MAX);
    const reader = new FrameReader({
      payloadBytesMax: (kind) => this.#payloadBytesMax(kind),
      onFrame: (header, payload) => this.#onFrame(header, payload),
    });
    channel.setHandlers({
      onData: (bytes) => {
        options.meter.bytesReceived += bytes.length;
        try {
          if (this.#state !== "ended") reader.read(bytes);
        } catch (error) {
          this.#end(error);
        }
      },
      onDrain: () => undefined,
      onClose: () => this.#end(undefined),
    });
    this.sendNew(FrameKind.hello, 0, encodeHello(options.hello));
  }

  /** Frames of other epochs, which nobody looked at. */
  get dropped(): number {
    return this.#dropped;
  }

  /** A whole frame; it must not be changed before the peer has it. */
  send(frame: Uint8Array): void {
    if (this.#state === "ended") return;
    this.#options.meter.bytesSent += frame.length;
    this.#options.channel.write([frame]);
  }

  sendNew(kind: number, number: number, payload: Uint8Array): void {
    const frame = new Uint8Array(HEADER_BYTES + payload.length);
    const { epoch } = this.#options;
    const header = { kind, epoch, number, payloadBytes: payload.length };
    writeHeader(new DataView(frame.buffer), header);
    frame.set(payload, HEADER_BYTES);
    this.send(frame);
  }

  /** What was sent arrives; nothing more is taken. */
  close(): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#timer.cancel();
    const { channel, clock } = this.#options;
    channel.end();
    clock.setTimeout(() => channel.destroy(), LINGER_MS);
    this.#options.onEnd(this, undefined);
  }

  #payloadBytesMax(kind: number): number {
    if (this.#state === "new") return kind === FrameKind.hello ? HELLO_BYTES : -1;
    return kind === FrameKind.hello ? -1 : this.#options.payloadBytesMax(kind);
  }

  #onFrame(header: FrameHeader, payload: Uint8Array): void {
    if (this.#state === "ended") return;
    if (header.epoch !== this.#options.epoch) {
      // One that greets with another epoch has another plan: it comes again when it has ours.
      if (this.#state === "new") this.#end(undefined);
      else this.#dropped++;
      return;
    }
    if (this.#state === "greeted") {
      this.#options.onFrame(header, payload);
      return;
    }
    const hello = decodeHello(payload);
    if (!Buffer.from(hello.planDigest).equals(this.#options.hello.planDigest)) {
      throw invalidFrame(`the members have different plans for epoch ${header.epoch}`);
    }
    this.#state = "greeted";
    this.#timer.cancel();
    this.#options.onGreeted(this, hello);
  }

  #end(cause: unknown): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#timer.cancel();
    this.#options.channel.destroy();
    this.#options.onEnd(this, cause);
  }
}

/** For the last frames of a connection that is closed. */
const LINGER_MS = 1_000;
