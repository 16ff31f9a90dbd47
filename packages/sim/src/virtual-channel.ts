/**
 * Both ends of one simulated connection. An end whose process died says nothing more to anybody; a
 * peer learns of it by a reset, when one gets through, or by silence.
 */
import type { Channel, ChannelHandlers } from "@hearthmesh/qwormhole";
import type { Signal, VirtualFlow } from "./virtual-flow.js";

/** Queued bytes above which `write` answers false. */
const HIGH_WATER_BYTES = 64 * 1024;

export interface VirtualChannelOptions {
  localAddress: string;
  remoteAddress: string;
  binding: Uint8Array;
  peerCertificates: readonly Uint8Array[];
  /** Resets the other end, as far as the network lets a reset through. */
  sendReset(): void;
  /** Whether this time `destroy` resets; asked once. */
  resetsOnDestroy(): boolean;
  /** Called when this end is closed for good. */
  onGone(): void;
}

export class VirtualChannel implements Channel {
  readonly kind = "simulated";
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly binding: Uint8Array;
  readonly peerCertificates: readonly Uint8Array[];
  readonly #options: VirtualChannelOptions;
  #outgoing: VirtualFlow | undefined;
  #incoming: VirtualFlow | undefined;
  #handlers: ChannelHandlers | undefined;
  #state: "open" | "ending" | "closed" | "dead" = "open";
  #peerEnded = false;
  #paused = false;
  #wantsDrain = false;
  #closeReason: { error: Error | undefined } | undefined;

  constructor(options: VirtualChannelOptions) {
    this.localAddress = options.localAddress;
    this.remoteAddress = options.remoteAddress;
    this.binding = options.binding;
    this.peerCertificates = options.peerCertificates;
    this.#options = options;
  }

  /** Must be called once, before anything else. */
  connect(outgoing: VirtualFlow, incoming: VirtualFlow): void {
    this.#outgoing = outgoing;
    this.#incoming = incoming;
  }

  get bufferedBytes(): number {
    return this.#outgoing?.queuedBytes ?? 0;
  }

  write(pieces: readonly Uint8Array[]): boolean {
    if (this.#state !== "open") return false;
    this.#outgoing?.write(Buffer.concat(pieces));
    const hasRoom = this.bufferedBytes <= HIGH_WATER_BYTES;
    if (!hasRoom) this.#wantsDrain = true;
    return hasRoom;
  }

  setHandlers(handlers: ChannelHandlers): void {
    this.#handlers = handlers;
    if (this.#closeReason !== undefined) this.#reportClose();
    this.#incoming?.wake();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#incoming?.wake();
  }

  end(): void {
    if (this.#state !== "open") return;
    this.#state = "ending";
    this.#outgoing?.write("end");
  }

  destroy(error?: Error): void {
    if (this.#state === "closed" || this.#state === "dead") return;
    // A kernel that holds unread bytes resets at once; else it delivers what it has and then ends.
    const isReset = this.#options.resetsOnDestroy();
    if (isReset) {
      this.#outgoing?.stop();
      this.#options.sendReset();
    } else {
      this.#outgoing?.abandon();
    }
    this.#close(error, isReset);
  }

  /** What the network does to this end. */
  readonly network = {
    arrive: (content: Uint8Array | Signal): boolean => this.#arrive(content),
    sent: (): void => this.#sent(),
    reset: (error: Error): void => this.#close(error, true),
    die: (): void => this.#die(),
  };

  #arrive(content: Uint8Array | Signal): boolean {
    if (this.#state === "closed" || this.#state === "dead") {
      this.#options.sendReset();
      return true;
    }
    if (this.#paused || this.#handlers === undefined) return false;
    if (typeof content !== "string") {
      this.#handlers.onData(content);
      return true;
    }
    this.#peerEnded = true;
    if (this.#state === "ending") this.#close(undefined, false);
    else this.end();
    return true;
  }

  #sent(): void {
    if (this.#state === "ending" && this.#peerEnded) {
      this.#close(undefined, false);
    } else if (this.#wantsDrain && this.#state === "open") {
      this.#wantsDrain = false;
      this.#handlers?.onDrain();
    }
  }

  #close(error: Error | undefined, isBroken: boolean): void {
    if (this.#state === "closed" || this.#state === "dead") return;
    this.#state = "closed";
    this.#closeReason = { error };
    if (isBroken) this.#outgoing?.stop();
    this.#options.onGone();
    if (this.#handlers !== undefined) this.#reportClose();
  }

  /** Never within the call that caused it: a caller of `destroy` does not expect to be called. */
  #reportClose(): void {
    const reason = this.#closeReason;
    queueMicrotask(() => {
      if (this.#state !== "dead") this.#handlers?.onClose(reason?.error);
    });
  }

  #die(): void {
    if (this.#state === "dead") return;
    const wasClosed = this.#state === "closed";
    this.#state = "dead";
    this.#outgoing?.stop();
    if (!wasClosed) this.#options.onGone();
  }
}
