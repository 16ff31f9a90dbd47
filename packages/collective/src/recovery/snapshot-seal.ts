/**
 * Snapshots as they lie at friends: sealed like every copy (`../copies`), in one of a few slots.
 *
 * The name of a slot follows from the store key, the friend and the slot's number, so that nobody
 * has to list anything to find the snapshots, and no pointer says which one is the newest: a
 * snapshot says so itself, under the seal, by its epoch and sequence number. A friend who hands out
 * an old one, or none, cannot make it look newer than that of another friend.
 *
 * A snapshot of a higher epoch counts as newer whatever its number: the epoch is raised by a
 * restore, so a coordinator that was replaced and comes back does not win.
 */
import { limits, MeshError, type Random } from "@hearthmesh/core";
import {
  ContentHash,
  type CopyHeader,
  type CopyKeys,
  newSalt,
  openCopy,
  sealCopy,
  sealedSizeOf,
} from "../copies/index.js";
import { decodeSnapshot, type OpenSnapshot } from "./snapshot-format.js";

/** Snapshots that are kept at each friend. */
const SNAPSHOTS_KEPT = 3;
const LABEL = /^snapshot\/(\d{1,16})\/(\d{1,16})$/;

/** Which of two snapshots is newer, without looking into them. */
export interface SnapshotMark {
  readonly epoch: number;
  readonly sequence: number;
}

export function compareMarks(a: SnapshotMark, b: SnapshotMark): number {
  return a.epoch - b.epoch || a.sequence - b.sequence;
}

/** The slots of one friend, as names of copies there. */
export function snapshotNames(keys: CopyKeys, friend: string): string[] {
  return Array.from({ length: SNAPSHOTS_KEPT }, (_, slot) => slotName(keys, slot, friend));
}

/** Where the snapshot of this number goes: it takes the place of the oldest one. */
export function snapshotName(keys: CopyKeys, mark: SnapshotMark, friend: string): string {
  return slotName(keys, mark.sequence % SNAPSHOTS_KEPT, friend);
}

function slotName(keys: CopyKeys, slot: number, friend: string): string {
  return keys.nameOf(`snapshot/${slot}`, friend);
}

/** A whole packed snapshot (`encodeSnapshot`) that can be read more than once. */
export interface PackedSnapshot {
  readonly mark: SnapshotMark;
  readonly takenAtMs: number;
  readonly owner: string;
  readonly sizeBytes: number;
  readonly contentHash: string;
  read(): AsyncIterable<Uint8Array>;
}

/** Size and hash of a packed snapshot, while it goes to where it is kept. */
export async function* measured(
  source: AsyncIterable<Uint8Array>,
  result: { sizeBytes: number; contentHash: string },
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = new ContentHash();
  for await (const piece of source) {
    result.sizeBytes += piece.length;
    if (result.sizeBytes > limits.SNAPSHOT_BYTES_MAX) {
      throw new MeshError("MESH_LIMIT", {
        message: `the records take more than ${limits.SNAPSHOT_BYTES_MAX} bytes when packed`,
        hint: "Take a snapshot of the whole store instead: `mesh store snapshot`.",
      });
    }
    hash.add(piece);
    yield piece;
  }
  result.contentHash = hash.digest();
}

function headerOf(packed: PackedSnapshot): CopyHeader {
  const { mark, owner, sizeBytes, takenAtMs, contentHash } = packed;
  return {
    v: 1,
    label: `snapshot/${mark.epoch}/${mark.sequence}`,
    path: "",
    owner,
    sizeBytes,
    createdAtMs: takenAtMs,
    modifiedAtMs: takenAtMs,
    contentHash,
  };
}

export function sealedSnapshotBytes(packed: PackedSnapshot): number {
  return sealedSizeOf(headerOf(packed));
}

/** The sealed bytes for one friend. */
export function sealSnapshot(
  keys: CopyKeys,
  packed: PackedSnapshot,
  name: string,
  random: Random,
): AsyncGenerator<Uint8Array, void, undefined> {
  const content = packed.read();
  return sealCopy(keys, { name, header: headerOf(packed), content, salt: newSalt(random) });
}

/** What a header says which number it is; undefined for a copy of something else. */
export function markOf(header: CopyHeader): SnapshotMark | undefined {
  const [, epoch, sequence] = LABEL.exec(header.label) ?? [];
  if (epoch === undefined || sequence === undefined) return undefined;
  return { epoch: Number(epoch), sequence: Number(sequence) };
}

/**
 * A sealed snapshot back to its rows. `MESH_COPY_DAMAGED` when it was changed or is of another
 * store, `MESH_STORE_CORRUPT`, `MESH_STORE_NEWER`. The rows must be read to their end: only then it
 * is known that all was whole.
 */
export async function openSnapshot(
  keys: CopyKeys,
  name: string,
  sealed: { readonly bytes: number; readonly stream: AsyncIterable<Uint8Array> },
): Promise<OpenSnapshot> {
  const copy = { name, sealedBytes: sealed.bytes };
  const { header, content } = await openCopy(keys, copy, sealed.stream);
  const mark = markOf(header);
  const snapshot = await decodeSnapshot(content);
  const { head } = snapshot;
  if (mark === undefined || compareMarks(mark, head) !== 0) {
    throw new MeshError("MESH_COPY_DAMAGED", { message: "the copy is no snapshot of records" });
  }
  return snapshot;
}
