/** Snapshots at one friend: which is the newest, writing one, reading one. */
import { isMeshError, MeshError, type Random } from "@hearthmesh/core";
import type { Progress } from "../coordinator/workers/worker-definition.js";
import { copyPath } from "../copies/copy-records.js";
import type { FriendFiles } from "../copies/friends.js";
import type { CopyKeys } from "../copies/index.js";
import { openSealed, writeSealed } from "../copies/sealed-file.js";
import {
  compareMarks,
  markOf,
  type PackedSnapshot,
  type SnapshotMark,
  sealSnapshot,
  snapshotName,
  snapshotNames,
} from "./snapshot-seal.js";

export interface SnapshotPlaces {
  readonly keys: CopyKeys;
  readonly ownDomain: string;
  readonly friends: { files(trustDomain: string): FriendFiles };
}

/** A snapshot that lies at a friend and whose first part opens. */
export interface FoundSnapshot extends SnapshotMark {
  readonly member: string;
  readonly name: string;
  readonly path: string;
  readonly sealedBytes: number;
  readonly takenAtMs: number;
}

/**
 * Those of a friend, newest first. A slot that is empty or does not open is left out, with the
 * reason in `damaged`. Throws when the friend cannot be asked.
 */
export async function snapshotsAtFriend(
  { keys, ownDomain, friends }: SnapshotPlaces,
  member: string,
  signal: AbortSignal,
): Promise<{ found: FoundSnapshot[]; damaged: string[] }> {
  const files = friends.files(member);
  const found: FoundSnapshot[] = [];
  const damaged: string[] = [];
  for (const name of snapshotNames(keys, member)) {
    const path = copyPath(ownDomain, name);
    try {
      const { sizeBytes: sealedBytes } = await files.stat(path, signal);
      const { header } = await openSealed(keys, files, path, { name, sealedBytes }, signal);
      const mark = markOf(header);
      if (mark === undefined) throw new MeshError("MESH_COPY_DAMAGED");
      found.push({ ...mark, member, name, path, sealedBytes, takenAtMs: header.createdAtMs });
    } catch (error) {
      signal.throwIfAborted();
      if (isMeshError(error, "MESH_PATH_NOT_FOUND")) continue;
      if (!isMeshError(error, "MESH_COPY_DAMAGED")) throw error;
      damaged.push(error.message);
    }
  }
  return { found: found.sort((a, b) => compareMarks(b, a)), damaged };
}

export async function newestAtFriend(
  places: SnapshotPlaces,
  member: string,
  signal: AbortSignal,
): Promise<SnapshotMark | undefined> {
  const { found } = await snapshotsAtFriend(places, member, signal);
  return found[0];
}

/** Answers the sealed bytes. Whatever the friend says comes through, such as `MESH_QUOTA`. */
export async function writeSnapshot(
  { keys, ownDomain, friends, random }: SnapshotPlaces & { readonly random: Random },
  packed: PackedSnapshot,
  member: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<number> {
  const files = friends.files(member);
  const name = snapshotName(keys, packed.mark, member);
  const path = copyPath(ownDomain, name);
  const paced = async function* () {
    for await (const piece of sealSnapshot(keys, packed, name, random)) {
      yield piece;
      progress.bytes(piece.length);
      await progress.pace(piece.length);
    }
  };
  return (await writeSealed(files, path, async () => paced(), signal)).sizeBytes;
}
