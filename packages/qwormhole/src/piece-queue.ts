/**
 * Received pieces of a stream that wait for their reader. Small pieces are packed together:
 * otherwise a peer could make this side hold a large receive buffer for each byte it sends.
 */
import { STREAM_PIECE_BYTES_MIN } from "./limits.js";

const PACK_BYTES_MIN = 256;
const PACK_BYTES_MAX = 16 * 1024;

export class PieceQueue {
  #pieces: Uint8Array[] = [];
  #head = 0;
  /** The last piece, while it is a pack: its buffer and how much of it is filled. */
  #pack: Uint8Array | undefined;
  #packBytes = 0;
  bytes = 0;

  push(piece: Uint8Array): void {
    this.bytes += piece.length;
    if (piece.length < STREAM_PIECE_BYTES_MIN) {
      this.#addToPack(piece);
      return;
    }
    this.#closePack();
    this.#pieces.push(piece);
  }

  shift(): Uint8Array | undefined {
    if (this.#head === this.#pieces.length) this.#closePack();
    const piece = this.#pieces[this.#head];
    if (piece === undefined) return undefined;
    this.#pieces[this.#head++] = EMPTY;
    if (this.#head === this.#pieces.length) {
      this.#pieces.length = 0;
      this.#head = 0;
    }
    this.bytes -= piece.length;
    return piece;
  }

  clear(): void {
    this.#pieces = [];
    this.#head = 0;
    this.#pack = undefined;
    this.#packBytes = 0;
    this.bytes = 0;
  }

  #addToPack(piece: Uint8Array): void {
    const needed = this.#packBytes + piece.length;
    if (needed > PACK_BYTES_MAX) {
      this.#closePack();
      this.#addToPack(piece);
      return;
    }
    if (this.#pack === undefined || this.#pack.length < needed) {
      const size = Math.min(PACK_BYTES_MAX, Math.max(PACK_BYTES_MIN, 2 * needed));
      const grown = Buffer.allocUnsafeSlow(size);
      if (this.#pack !== undefined) grown.set(this.#pack.subarray(0, this.#packBytes));
      this.#pack = grown;
    }
    this.#pack.set(piece, this.#packBytes);
    this.#packBytes = needed;
  }

  #closePack(): void {
    if (this.#pack === undefined) return;
    this.#pieces.push(this.#pack.subarray(0, this.#packBytes));
    this.#pack = undefined;
    this.#packBytes = 0;
  }
}

const EMPTY = new Uint8Array(0);
