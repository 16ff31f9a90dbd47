/**
 * Where each chunk is, in memory: a sorted list of leaves, each a sorted array of 44-byte entries
 * (id 32 | pack u32 | offset u32 | record bytes u32) in one buffer outside the garbage collector's
 * heap. About 50 bytes for a chunk, so a million chunks cost 50 MB; listing in order needs no sort.
 */
import type { ChunkId } from "@hearthmesh/core";
import { CHUNK_ID_BYTES } from "./pack-format.js";

const ENTRY_BYTES = 44;
const LEAF_ENTRIES_MAX = 512;
const LEAF_ENTRIES_MIN = 8;

/** Where a record begins, and how long it is with its head. */
export interface Location {
  readonly pack: number;
  readonly offset: number;
  readonly recordBytes: number;
}

interface Leaf {
  bytes: Buffer;
  count: number;
}

/** Invariant: leaves are never empty; ids ascend within a leaf and from leaf to leaf. */
export class ChunkIndex {
  readonly #leaves: Leaf[] = [];
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
    if (this.#leaves.length === 0) {
      this.#leaves.push({
        bytes: Buffer.allocUnsafeSlow(LEAF_ENTRIES_MIN * ENTRY_BYTES),
        count: 0,
      });
    }
    const leafAt = this.#leafFor(id);
    const leaf = this.#leaves[leafAt] as Leaf;
    const at = slotFor(leaf, id);
    if (isAt(leaf, at, id)) {
      const before = locationAt(leaf, at);
      writeLocation(leaf, at, location);
      return before;
    }
    if (leaf.count === LEAF_ENTRIES_MAX) {
      this.#leaves.splice(leafAt, 1, ...halves(leaf));
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
    if (leaf.count === 0) this.#leaves.splice(leafAt, 1);
    else if (leaf.count * ENTRY_BYTES * 3 < leaf.bytes.length) resize(leaf);
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
  if ((leaf.count + 1) * ENTRY_BYTES > leaf.bytes.length) resize(leaf);
  leaf.bytes.copyWithin((at + 1) * ENTRY_BYTES, at * ENTRY_BYTES, leaf.count * ENTRY_BYTES);
  leaf.count++;
}

/** A new buffer with a quarter more room than is used. */
function resize(leaf: Leaf): void {
  const wanted = Math.max(LEAF_ENTRIES_MIN, leaf.count + 1, Math.ceil(leaf.count * 1.25));
  const bytes = Buffer.allocUnsafeSlow(Math.min(wanted, LEAF_ENTRIES_MAX) * ENTRY_BYTES);
  leaf.bytes.copy(bytes, 0, 0, leaf.count * ENTRY_BYTES);
  leaf.bytes = bytes;
}

function halves(leaf: Leaf): [Leaf, Leaf] {
  const middle = leaf.count >>> 1;
  const part = (from: number, to: number): Leaf => {
    const half = {
      bytes: leaf.bytes.subarray(from * ENTRY_BYTES, to * ENTRY_BYTES),
      count: to - from,
    };
    resize(half);
    return half;
  };
  return [part(0, middle), part(middle, leaf.count)];
}
