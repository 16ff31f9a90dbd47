/**
 * Where everything lies in a sealed copy; arithmetic only.
 *
 * A copy is sealed in pieces. What is sealed is one run of bytes, the *plain run*:
 *
 *     u32 length of the header | header (JSON) | content of the file | zeros up to the bucket
 *
 * and each piece is `ciphertext | tag (16)`; the first has a prologue `HMC1 | salt (32)` in front.
 * Every piece is 1 MiB, so that it is one whole chunk at the friend's; a copy that fits one piece
 * may be of one of the smaller sizes. Whoever keeps a copy learns this size and nothing finer.
 */
import { limits, MeshError } from "@hearthmesh/core";

export const MAGIC = Buffer.from("HMC1", "latin1");
export const SALT_BYTES = 32;
export const PROLOGUE_BYTES = MAGIC.length + SALT_BYTES;
export const TAG_BYTES = 16;
export const HEADER_LENGTH_BYTES = 4;

const PIECE_BYTES = limits.CHUNK_BYTES_MAX;
/** Sizes of a copy of one piece, smallest first. */
const BUCKETS: readonly number[] = [4096, 16_384, 65_536, 262_144, PIECE_BYTES];

export interface SealedLayout {
  readonly pieces: number;
  readonly sealedBytes: number;
}

/** The smallest layout that holds so many bytes of header and content. */
export function layoutFor(plainBytes: number): SealedLayout {
  const bucket = BUCKETS.find((size) => size - PROLOGUE_BYTES - TAG_BYTES >= plainBytes);
  if (bucket !== undefined) return { pieces: 1, sealedBytes: bucket };
  const rest = plainBytes - plainBytesIn(0, PIECE_BYTES);
  const pieces = 1 + Math.ceil(rest / plainBytesIn(1, PIECE_BYTES));
  return { pieces, sealedBytes: pieces * PIECE_BYTES };
}

/** The layout of a copy by its size; `MESH_COPY_DAMAGED` for a size that no copy has. */
export function layoutOf(sealedBytes: number): SealedLayout {
  if (BUCKETS.includes(sealedBytes)) return { pieces: 1, sealedBytes };
  const pieces = sealedBytes / PIECE_BYTES;
  if (Number.isSafeInteger(pieces) && pieces >= 2) return { pieces, sealedBytes };
  throw damaged(`no copy has ${sealedBytes} bytes`);
}

/** Size of one piece of a copy, as it lies at the friend's. */
export function sealedBytesOf(layout: SealedLayout): number {
  return layout.pieces === 1 ? layout.sealedBytes : PIECE_BYTES;
}

/** Bytes of the plain run in a piece of this size. */
export function plainBytesIn(index: number, sealedBytes: number): number {
  return sealedBytes - TAG_BYTES - (index === 0 ? PROLOGUE_BYTES : 0);
}

/** Offset in the plain run at which a piece begins. */
export function plainStartOf(index: number): number {
  if (index === 0) return 0;
  return plainBytesIn(0, PIECE_BYTES) + (index - 1) * plainBytesIn(1, PIECE_BYTES);
}

/** The piece that holds an offset of the plain run. */
export function pieceAt(offset: number): number {
  const first = plainBytesIn(0, PIECE_BYTES);
  if (offset < first) return 0;
  return 1 + Math.floor((offset - first) / plainBytesIn(1, PIECE_BYTES));
}

export function damaged(what: string): MeshError {
  return new MeshError("MESH_COPY_DAMAGED", {
    message: `a copy at a friend's is damaged: ${what}`,
  });
}
