/**
 * A sealed copy back to its file: as a stream with constant memory, or any range of it. Nothing is
 * given out before its piece was authenticated; every fault is `MESH_COPY_DAMAGED`.
 */
import { ContentHash } from "./content-hash.js";
import { type CopyHeader, decodeHeader } from "./copy-header.js";
import type { CopyKeys } from "./copy-keys.js";
import { openPiece } from "./piece-cipher.js";
import {
  damaged,
  layoutFor,
  layoutOf,
  MAGIC,
  PROLOGUE_BYTES,
  pieceAt,
  plainStartOf,
  type SealedLayout,
  sealedBytesOf,
} from "./sealed-layout.js";

export interface SealedCopy {
  readonly name: string;
  /** As the friend says; a wrong one does not open. */
  readonly sealedBytes: number;
}

export interface OpenedCopy {
  readonly header: CopyHeader;
  /** To be read once. Its end is reached only when the whole copy was as it was written. */
  readonly content: AsyncIterable<Uint8Array>;
}

/** An open copy of which any piece can be read. */
export class CopyReader {
  readonly header: CopyHeader;
  readonly #layout: SealedLayout;
  readonly #headerBytes: number;
  readonly #open: (index: number, sealed: Uint8Array) => Buffer;
  /** Of the plain run in the first piece, header included. */
  readonly #firstPlain: Buffer;

  /** `first` is the whole first piece. */
  constructor(keys: CopyKeys, { name, sealedBytes }: SealedCopy, first: Uint8Array) {
    const layout = layoutOf(sealedBytes);
    if (first.length !== sealedBytesOf(layout)) throw damaged("its first part is cut short");
    if (!MAGIC.equals(first.subarray(0, MAGIC.length))) throw damaged("it is no copy of ours");
    const key = keys.pieceKey(name, first.subarray(MAGIC.length, PROLOGUE_BYTES));
    const { storeId } = keys;
    this.#open = (index, sealed) => {
      const last = index === layout.pieces - 1;
      return openPiece(key, { storeId, name, index, last }, sealed);
    };
    this.#firstPlain = this.#open(0, first.subarray(PROLOGUE_BYTES));
    const { header, bytes } = decodeHeader(this.#firstPlain);
    if (layoutFor(bytes + header.sizeBytes).sealedBytes !== layout.sealedBytes) {
      throw damaged("its size is not the one that its header says");
    }
    this.#layout = layout;
    this.header = header;
    this.#headerBytes = bytes;
  }

  get pieces(): number {
    return this.#layout.pieces;
  }

  /** What a whole piece holds of the content; padding is checked and taken off. */
  contentOf(index: number, sealed: Uint8Array): Uint8Array {
    if (sealed.length !== sealedBytesOf(this.#layout)) throw damaged(`part ${index} is cut short`);
    const plain = index === 0 ? this.#firstPlain : this.#open(index, sealed);
    const start = plainStartOf(index);
    const contentEnd = this.#headerBytes + this.header.sizeBytes;
    const from = index === 0 ? this.#headerBytes : 0;
    const to = Math.max(from, Math.min(plain.length, contentEnd - start));
    const padding = plain.subarray(to);
    if (!padding.equals(Buffer.alloc(padding.length))) throw damaged("its padding is not empty");
    return plain.subarray(from, to);
  }

  /** The pieces that hold `[start, endExclusive)` of the content, and where that begins in them. */
  piecesFor(start: number, endExclusive: number) {
    const first = pieceAt(this.#headerBytes + start);
    const last = Math.max(first, pieceAt(this.#headerBytes + endExclusive - 1));
    const begins = Math.max(0, plainStartOf(first) - this.#headerBytes);
    return { first, last, skip: start - begins };
  }

  /** Where a piece lies in the sealed copy. */
  rangeOf(index: number): { start: number; endInclusive: number } {
    const size = sealedBytesOf(this.#layout);
    return { start: index * size, endInclusive: (index + 1) * size - 1 };
  }
}

/** Size of the first piece, which is read before anything else is known. */
export function firstPieceBytes(sealedBytes: number): number {
  return sealedBytesOf(layoutOf(sealedBytes));
}

export async function openCopy(
  keys: CopyKeys,
  copy: SealedCopy,
  sealed: AsyncIterable<Uint8Array>,
): Promise<OpenedCopy> {
  const pieces = cutPieces(sealed, firstPieceBytes(copy.sealedBytes));
  const first = await pieces.next();
  if (first.done) throw damaged("it is empty");
  const reader = new CopyReader(keys, copy, first.value);
  return { header: reader.header, content: contentOf(reader, first.value, pieces) };
}

async function* contentOf(
  reader: CopyReader,
  first: Uint8Array,
  rest: AsyncGenerator<Uint8Array, void, undefined>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = new ContentHash();
  try {
    let index = 0;
    for (let piece: Uint8Array | undefined = first; piece !== undefined; index++) {
      if (index >= reader.pieces) throw damaged("it goes on after its end");
      const content = reader.contentOf(index, piece);
      hash.add(content);
      if (content.length > 0) yield content;
      const next: IteratorResult<Uint8Array, void> = await rest.next();
      piece = next.done ? undefined : next.value;
    }
    if (index !== reader.pieces) throw damaged("its end is missing");
    if (hash.digest() !== reader.header.contentHash) {
      throw damaged("its content is not what its header says");
    }
  } finally {
    await rest.return();
  }
}

/** Whole pieces out of a stream that is cut anywhere; what is left at the end is a short one. */
async function* cutPieces(
  source: AsyncIterable<Uint8Array>,
  pieceBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let piece = Buffer.alloc(pieceBytes);
  let used = 0;
  for await (const bytes of source) {
    let rest = bytes;
    while (rest.length > 0) {
      const part = rest.subarray(0, pieceBytes - used);
      piece.set(part, used);
      used += part.length;
      rest = rest.subarray(part.length);
      if (used < pieceBytes) continue;
      yield piece;
      piece = Buffer.alloc(pieceBytes);
      used = 0;
    }
  }
  if (used > 0) yield piece.subarray(0, used);
}
