/**
 * Where each chunk is, in memory: a sorted list of leaves, each a sorted array of up to 512 entries
 * of 44 bytes (id 32 | pack u32 | offset u32 | record bytes u32). Leaves are places of one size in
 * large slabs outside the garbage collector's heap: growing one copies nothing and leaves no holes
 * in the process's memory. About 55 bytes for a chunk; listing in order needs no sort.
 */
import type { ChunkId } from "@hearthmesh/core";
import { CHUNK_ID_BYTES } from "./pack-format.js";

const ENTRY_BYTES = 44;
const LEAF_ENTRIES_MAX = 512;
const LEAF_BYTES = LEAF_ENTRIES_MAX * ENTRY_BYTES;
const LEAVES_PER_SLAB = 64;
/** A full leaf gives entries to a neighbour with at least this much room before it is split. */
const NEIGHBOUR_ROOM_MIN = LEAF_ENTRIES_MAX / 8;

/** Where a record begins, and how long it is with its head. */
export interface Location {
  readonly pack: number;
  readonly offset: number;
  readonly recordBytes: number;
}

interface Leaf {
  /** `LEAF_BYTES` long. */
  readonly bytes: Buffer;
  count: number;
}

/** Invariant: leaves are never empty; ids ascend within a leaf and from leaf to leaf. */
export class ChunkIndex {
  readonly #leaves: Leaf[] = [];
  /** Places of removed leaves and of the newest slab. */
  readonly #freePlaces: Buffer[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: Buffer): Location | undefined {
    const leaf = this.#leaves[this.#leafFor(id)];
    if (leaf === undefined) return undefined;
    const at = slotFor(leaf, id);
    return isAt(leaf, at, id) ? locationAt(leaf, at) : undefined;
  }

  /** Returns where the chunk was before. */
  set(id: Buffer, location: Location): Location | undefined {
    if (this.#leaves.length === 0) this.#leaves.push(this.#newLeaf());
    const leafAt = this.#leafFor(id);
    const leaf = this.#leaves[leafAt] as Leaf;
    const at = slotFor(leaf, id);
    if (isAt(leaf, at, id)) {
      const before = locationAt(leaf, at);
      writeLocation(leaf, at, location);
      return before;
    }
    if (leaf.count === LEAF_ENTRIES_MAX) {
      this.#relieve(leafAt, leaf);
      return this.set(id, location);
    }
    makeRoom(leaf, at);
    id.copy(leaf.bytes, at * ENTRY_BYTES, 0, CHUNK_ID_BYTES);
    writeLocation(leaf, at, location);
    this.#size++;
    return undefined;
  }

  /** Returns where the chunk was. */
  delete(id: Buffer): Location | undefined {
    const leafAt = this.#leafFor(id);
    const leaf = this.#leaves[leafAt];
    if (leaf === undefined) return undefined;
    const at = slotFor(leaf, id);
    if (!isAt(leaf, at, id)) return undefined;
    const before = locationAt(leaf, at);
    leaf.bytes.copyWithin(at * ENTRY_BYTES, (at + 1) * ENTRY_BYTES, leaf.count * ENTRY_BYTES);
    leaf.count--;
    this.#size--;
    if (leaf.count === 0) {
      this.#leaves.splice(leafAt, 1);
      this.#freePlaces.push(leaf.bytes);
    }
    return before;
  }

  /** Ids after `after` in ascending order, at most `limit`. */
  list(after: Buffer | undefined, limit: number): ChunkId[] {
    const ids: ChunkId[] = [];
    let leafAt = after === undefined ? 0 : this.#leafFor(after);
    for (; leafAt < this.#leaves.length && ids.length < limit; leafAt++) {
      const leaf = this.#leaves[leafAt] as Leaf;
      let at = after === undefined ? 0 : slotFor(leaf, after);
      if (after !== undefined && isAt(leaf, at, after)) at++;
      for (; at < leaf.count && ids.length < limit; at++) {
        const start = at * ENTRY_BYTES;
        ids.push(leaf.bytes.toString("hex", start, start + CHUNK_ID_BYTES) as ChunkId);
      }
    }
    return ids;
  }

  /** Makes room in a full leaf: moves entries to a neighbour, or half of them to a new leaf. */
  #relieve(leafAt: number, leaf: Leaf): void {
    const next = this.#leaves[leafAt + 1];
    const previous = this.#leaves[leafAt - 1];
    const room = (other: Leaf | undefined) =>
      other === undefined ? 0 : LEAF_ENTRIES_MAX - other.count;
    if (next !== undefined && room(next) >= NEIGHBOUR_ROOM_MIN) {
      moveToNext(leaf, next, room(next) >>> 1);
    } else if (previous !== undefined && room(previous) >= NEIGHBOUR_ROOM_MIN) {
      moveToPrevious(leaf, previous, room(previous) >>> 1);
    } else {
      const added = this.#newLeaf();
      this.#leaves.splice(leafAt + 1, 0, added);
      moveToNext(leaf, added, LEAF_ENTRIES_MAX >>> 1);
    }
  }

  #newLeaf(): Leaf {
    let bytes = this.#freePlaces.pop();
    if (bytes === undefined) {
      const slab = Buffer.allocUnsafeSlow(LEAVES_PER_SLAB * LEAF_BYTES);
      for (let start = LEAF_BYTES; start < slab.length; start += LEAF_BYTES) {
        this.#freePlaces.push(slab.subarray(start, start + LEAF_BYTES));
      }
      bytes = slab.subarray(0, LEAF_BYTES);
    }
    return { bytes, count: 0 };
  }

  /** The last leaf that does not begin after the id (the first one when all do). */
  #leafFor(id: Buffer): number {
    let low = 0;
    let high = this.#leaves.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (compareAt(this.#leaves[middle] as Leaf, 0, id) <= 0) low = middle;
      else high = middle;
    }
    return low;
  }
}

/** The first slot whose id is not before `id`. */
function slotFor(leaf: Leaf, id: Buffer): number {
  let low = 0;
  let high = leaf.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareAt(leaf, middle, id) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isAt(leaf: Leaf, at: number, id: Buffer): boolean {
  return at < leaf.count && compareAt(leaf, at, id) === 0;
}

function compareAt(leaf: Leaf, at: number, id: Buffer): number {
  const start = at * ENTRY_BYTES;
  // Ids are hashes: the first word nearly always decides, without a call into C++.
  const difference = leaf.bytes.readUInt32BE(start) - id.readUInt32BE(0);
  if (difference !== 0) return difference;
  return leaf.bytes.compare(id, 0, CHUNK_ID_BYTES, start, start + CHUNK_ID_BYTES);
}

function locationAt(leaf: Leaf, at: number): Location {
  const start = at * ENTRY_BYTES + CHUNK_ID_BYTES;
  return {
    pack: leaf.bytes.readUInt32BE(start),
    offset: leaf.bytes.readUInt32BE(start + 4),
    recordBytes: leaf.bytes.readUInt32BE(start + 8),
  };
}

function writeLocation(leaf: Leaf, at: number, location: Location): void {
  const start = at * ENTRY_BYTES + CHUNK_ID_BYTES;
  leaf.bytes.writeUInt32BE(location.pack, start);
  leaf.bytes.writeUInt32BE(location.offset, start + 4);
  leaf.bytes.writeUInt32BE(location.recordBytes, start + 8);
}

function makeRoom(leaf: Leaf, at: number): void {
  leaf.bytes.copyWithin((at + 1) * ENTRY_BYTES, at * ENTRY_BYTES, leaf.count * ENTRY_BYTES);
  leaf.count++;
}

/** Moves the last `count` entries to the front of the leaf behind. */
function moveToNext(leaf: Leaf, next: Leaf, count: number): void {
  next.bytes.copyWithin(count * ENTRY_BYTES, 0, next.count * ENTRY_BYTES);
  const first = leaf.count - count;
  leaf.bytes.copy(next.bytes, 0, first * ENTRY_BYTES, leaf.count * ENTRY_BYTES);
  leaf.count -= count;
  next.count += count;
}

/** Moves the first `count` entries to the end of the leaf before. */
function moveToPrevious(leaf: Leaf, previous: Leaf, count: number): void {
  leaf.bytes.copy(previous.bytes, previous.count * ENTRY_BYTES, 0, count * ENTRY_BYTES);
  leaf.bytes.copyWithin(0, count * ENTRY_BYTES, leaf.count * ENTRY_BYTES);
  leaf.count -= count;
  previous.count += count;
}
