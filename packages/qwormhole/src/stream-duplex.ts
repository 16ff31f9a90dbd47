/**
 * A `LinkStream` as a `Duplex` of Node, for whatever speaks over sockets: HTTP, TLS, `pipeline`.
 *
 * - Bytes that nobody reads stay unread on the stream, so that the peer runs out of credit; a write
 *   is called back when the peer's credit allowed it.
 * - Each direction ends on its own: the peer's end is `end` here, `end()` here is the peer's end,
 *   and the other direction stays open.
 * - A reset by the peer, or the loss of the link, destroys the duplex with that error (`remoteCode`
 *   says what the peer said). `destroy` before both directions have ended resets the stream: with
 *   the error's `code`, or with `QW_CANCELLED` when there is no error.
 *
 * Who takes a stream in `onStream` has to keep its promise until the duplex has closed, for example
 * with `finished` of `node:stream/promises`; the link ends the stream when the promise resolves.
 */
import { Duplex } from "node:stream";
import { QWormholeError } from "./errors.js";
import { WRITE_BYTES_TARGET } from "./limits.js";
import type { LinkStream } from "./link.js";
import { toWireError } from "./wire-error.js";

/** Bytes that are handed to the stream before the first of them has to have gone. */
const WRITE_BATCH_BYTES_MAX = 1 << 20;
/** Bytes of the peer that are dropped after a gentle end; whoever sends more is reset. */
const DROPPED_BYTES_MAX = 1 << 20;

export interface StreamDuplexOptions {
  /** Bytes that each direction holds before it makes its source wait. Default 64 KiB. */
  highWaterBytes?: number;
  /**
   * `destroy` without an error, after `end()`, does not reset the stream: what the peer still sends
   * is dropped until it ends, up to 1 MiB. For protocols whose own end comes before that of the
   * stream, such as TLS.
   */
  endsGently?: boolean;
}

type Callback = (error?: Error | null) => void;

/**
 * The duplex is the only user of the stream from now on. As with `LinkStream.write`, bytes that
 * were written must not be changed afterwards.
 */
export function streamDuplex(stream: LinkStream, options: StreamDuplexOptions = {}): Duplex {
  return new StreamDuplex(stream, options);
}

class StreamDuplex extends Duplex {
  readonly #stream: LinkStream;
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #onAbort: () => void;
  readonly #endsGently: boolean;
  #pumping = false;
  #wantsMore = false;
  #hasEnded = false;
  #peerHasEnded = false;

  constructor(stream: LinkStream, options: StreamDuplexOptions) {
    const highWaterMark = options.highWaterBytes ?? WRITE_BYTES_TARGET;
    super({ allowHalfOpen: true, autoDestroy: true, highWaterMark });
    this.#stream = stream;
    this.#endsGently = options.endsGently ?? false;
    this.#source = stream.readable[Symbol.asyncIterator]();
    const { signal } = stream;
    this.#onAbort = () => this.destroy(errorOf(signal.reason));
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  override _read(): void {
    this.#wantsMore = true;
    if (!this.#pumping) void this.#pump();
  }

  /** Moves pieces until this side is full; never rejects. */
  async #pump(): Promise<void> {
    this.#pumping = true;
    try {
      while (this.#wantsMore && !this.destroyed) {
        const { done, value } = await this.#source.next();
        if (done === true) this.#peerHasEnded = true;
        // Who takes what is pushed here may ask for more at once, by `_read`.
        this.#wantsMore = false;
        if (this.push(done === true ? null : value)) this.#wantsMore = true;
      }
    } catch (error) {
      this.destroy(errorOf(error));
    } finally {
      this.#pumping = false;
    }
  }

  override _write(bytes: Uint8Array, _encoding: BufferEncoding, callback: Callback): void {
    this.#send([bytes]).then(() => callback(), callback);
  }

  override _writev(chunks: { chunk: Uint8Array }[], callback: Callback): void {
    this.#send(chunks.map(({ chunk }) => chunk)).then(() => callback(), callback);
  }

  /** Resolves when the last byte has gone; the stream takes them in order. */
  async #send(pieces: readonly Uint8Array[]): Promise<void> {
    let waitingBytes = 0;
    let last: Promise<void> | undefined;
    for (const piece of pieces) {
      for (let at = 0; at < piece.length; at += WRITE_BATCH_BYTES_MAX) {
        const part = piece.subarray(at, at + WRITE_BATCH_BYTES_MAX);
        last = this.#stream.write(part);
        // A stream that fails rejects all that wait, so the last one says it too.
        last.catch(() => {});
        waitingBytes += part.length;
        if (waitingBytes < WRITE_BATCH_BYTES_MAX) continue;
        await last;
        waitingBytes = 0;
      }
    }
    await last;
  }

  override _final(callback: Callback): void {
    this.#hasEnded = true;
    this.#stream.end();
    callback();
  }

  override _destroy(error: Error | null, callback: Callback): void {
    const stream = this.#stream;
    stream.signal.removeEventListener("abort", this.#onAbort);
    // What was ended in order is not reset: its last frame may still wait to be sent.
    if (!(this.#hasEnded && this.#peerHasEnded)) {
      if (error === null && this.#hasEnded && this.#endsGently) void this.#dropRest();
      else this.#reset(error ?? new QWormholeError("QW_CANCELLED"));
    }
    callback(error);
  }

  #reset(error: Error): void {
    const { code, message, details } = toldOf(error);
    this.#stream.reset(code, message, details);
  }

  /** A read that the pump began may take one piece before this; never rejects. */
  async #dropRest(): Promise<void> {
    try {
      for (let bytes = 0; bytes <= DROPPED_BYTES_MAX; ) {
        const { done, value } = await this.#source.next();
        if (done === true) return;
        bytes += value.length;
      }
      this.#reset(new QWormholeError("QW_STREAM_ENDED"));
    } catch {
      // The stream has failed, which ends it as well.
    }
  }
}

/**
 * What the peer is told. The text of an error that is not ours, such as one of the file system, may
 * hold paths; its code may not.
 */
function toldOf(error: Error): ReturnType<typeof toWireError> {
  const told = toWireError(error);
  const isMeant = error instanceof QWormholeError || told.details.length > 0;
  return isMeant ? told : { ...told, message: "the other side broke the stream off" };
}

function errorOf(reason: unknown): Error {
  return reason instanceof Error ? reason : new QWormholeError("QW_STREAM_RESET");
}
