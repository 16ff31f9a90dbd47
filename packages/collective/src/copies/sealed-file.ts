/** A sealed copy as a file at a friend: how it gets there, and how a range of it comes back. */
import { isMeshError } from "@hearthmesh/core";
import type { Entry } from "../types.js";
import type { CopyKeys } from "./copy-keys.js";
import type { FriendFiles } from "./friends.js";
import { CopyReader, firstPieceBytes, type SealedCopy } from "./open-copy.js";
import { damaged } from "./sealed-layout.js";

/** `sealed` is asked again when the directory had to be made first. */
export async function writeSealed(
  files: FriendFiles,
  path: string,
  sealed: () => Promise<AsyncIterable<Uint8Array>>,
  signal: AbortSignal,
): Promise<Entry> {
  try {
    return await files.write(path, await sealed(), { signal });
  } catch (error) {
    if (!isMeshError(error, "MESH_PARENT_MISSING")) throw error;
    const parent = path.slice(0, path.lastIndexOf("/"));
    await files.makeDirectory(parent, { parents: true, signal });
    return await files.write(path, await sealed(), { signal });
  }
}

/** Reads the first piece and opens it. `MESH_COPY_DAMAGED`. */
export async function openSealed(
  keys: CopyKeys,
  files: FriendFiles,
  path: string,
  copy: SealedCopy,
  signal: AbortSignal,
): Promise<CopyReader> {
  const endInclusive = firstPieceBytes(copy.sealedBytes) - 1;
  return new CopyReader(keys, copy, await readSealed(files, path, 0, endInclusive, signal));
}

/** A range, held in memory: a friend that goes on and on must not fill that. */
export async function readSealed(
  files: FriendFiles,
  path: string,
  start: number,
  endInclusive: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { stream } = await files.read(path, { start, endInclusive, signal });
  const bytesMax = endInclusive + 1 - start;
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of stream) {
    bytes += piece.length;
    if (bytes > bytesMax) throw damaged("more of it came than was asked for");
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
