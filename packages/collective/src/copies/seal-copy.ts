/** A file's content to a sealed copy, piece by piece; holds one piece at a time. */
import { MeshError } from "@hearthmesh/core";
import { type CopyHeader, encodeHeader } from "./copy-header.js";
import type { CopyKeys } from "./copy-keys.js";
import { sealPiece } from "./piece-cipher.js";
import { layoutFor, MAGIC, plainBytesIn, sealedBytesOf } from "./sealed-layout.js";

export interface SealInput {
  /** Name at the friend's: see `CopyKeys.nameOfFile`. */
  readonly name: string;
  readonly header: CopyHeader;
  /** Exactly `header.sizeBytes`, cut anywhere. */
  readonly content: AsyncIterable<Uint8Array>;
  /** 32 random bytes that no other sealing had: see `newSalt`. */
  readonly salt: Uint8Array;
}

/** What a copy of so much content with this header takes at a friend's. */
export function sealedSizeOf(header: CopyHeader): number {
  return layoutFor(encodeHeader(header).length + header.sizeBytes).sealedBytes;
}

/** `MESH_CHUNK_MISMATCH` when the content is shorter or longer than the header says. */
export async function* sealCopy(
  keys: CopyKeys,
  { name, header, content, salt }: SealInput,
): AsyncGenerator<Uint8Array, void, undefined> {
  const head = encodeHeader(header);
  const layout = layoutFor(head.length + header.sizeBytes);
  const pieceBytes = sealedBytesOf(layout);
  const key = keys.pieceKey(name, salt);
  const place = { storeId: keys.storeId, name };
  let index = 0;
  let piece = new PlainPiece(plainBytesIn(0, pieceBytes));
  const sealed = () => {
    const last = index === layout.pieces - 1;
    const bytes = sealPiece(key, { ...place, index, last }, piece.whole());
    const whole = index === 0 ? Buffer.concat([MAGIC, salt, bytes]) : bytes;
    index++;
    piece = new PlainPiece(plainBytesIn(index, pieceBytes));
    return whole;
  };
  for await (const bytes of exactly(head, content, header)) {
    let rest = bytes;
    while (rest.length > 0) {
      rest = rest.subarray(piece.add(rest));
      // The last piece waits for the end of the content, which may still be too long.
      if (piece.isFull && index < layout.pieces - 1) yield sealed();
    }
  }
  yield sealed();
}

/** One piece of the plain run while it is filled; what is not filled is zeros. */
class PlainPiece {
  readonly #bytes: Buffer;
  #used = 0;

  constructor(size: number) {
    this.#bytes = Buffer.alloc(size);
  }

  get isFull(): boolean {
    return this.#used === this.#bytes.length;
  }

  /** How many of the bytes fitted. */
  add(bytes: Uint8Array): number {
    const part = bytes.subarray(0, this.#bytes.length - this.#used);
    this.#bytes.set(part, this.#used);
    this.#used += part.length;
    return part.length;
  }

  whole(): Uint8Array {
    return this.#bytes;
  }
}

async function* exactly(
  head: Uint8Array,
  content: AsyncIterable<Uint8Array>,
  { path, sizeBytes }: CopyHeader,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield head;
  let left = sizeBytes;
  for await (const bytes of content) {
    left -= bytes.length;
    if (left < 0) break;
    yield bytes;
  }
  if (left === 0) return;
  throw new MeshError("MESH_CHUNK_MISMATCH", {
    message: `the content of ${path} does not have the ${sizeBytes} bytes that its entry says`,
  });
}
