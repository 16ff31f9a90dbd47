/** What the pack store knows in memory: the chunk index, and for each pack how much of it lives. */
import { ChunkIndex, type Location } from "./chunk-index.js";
import type { RecordEntry } from "./pack-index-file.js";

export interface Pack {
  readonly number: number;
  readonly salt: Buffer;
  /** Bytes that are known to be on disk. */
  sizeBytes: number;
  /** Bytes of records that the index points to. */
  liveBytes: number;
  /** Bytes of tombstones, which may still hold down a record of an older pack. */
  tombstoneBytes: number;
  /**
   * The disk failed to read from it. What the index lost by that may be whole after all, so the
   * pack is not compacted before the next start has looked again.
   */
  isSuspect: boolean;
}

/** Invariant: a pack's `liveBytes` is the sum of the records that the index has in it. */
export class PackTable {
  readonly index = new ChunkIndex();
  readonly packs = new Map<number, Pack>();
  #liveBytes = 0;
  #totalBytes = 0;

  /** Bytes of all records that the index points to. */
  get liveBytes(): number {
    return this.#liveBytes;
  }

  /** Bytes of all pack files, dead ones too. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  addPack(number: number, salt: Buffer, sizeBytes: number): Pack {
    const pack = { number, salt, sizeBytes, liveBytes: 0, tombstoneBytes: 0, isSuspect: false };
    this.packs.set(number, pack);
    this.#totalBytes += sizeBytes;
    return pack;
  }

  growPack(pack: Pack, bytes: number): void {
    pack.sizeBytes += bytes;
    this.#totalBytes += bytes;
  }

  /** Forgets a pack that the index does not point to any more. */
  dropPack(pack: Pack): void {
    this.packs.delete(pack.number);
    this.#totalBytes -= pack.sizeBytes;
  }

  /** Takes one record into account; records must come in the order in which they were written. */
  apply(pack: Pack, entry: RecordEntry): void {
    if (entry.kind === "tombstone") {
      this.forget(entry.id);
      pack.tombstoneBytes += entry.recordBytes;
      return;
    }
    const location = {
      pack: pack.number,
      offset: entry.offset,
      recordBytes: entry.recordBytes,
    };
    this.#died(this.index.set(entry.id, location));
    pack.liveBytes += entry.recordBytes;
    this.#liveBytes += entry.recordBytes;
  }

  /** Drops a chunk from the index; its record is dead from now on. */
  forget(id: Buffer): void {
    this.#died(this.index.delete(id));
  }

  isAt(id: Buffer, location: Location): boolean {
    const found = this.index.get(id);
    return found?.pack === location.pack && found.offset === location.offset;
  }

  #died(location: Location | undefined): void {
    if (location === undefined) return;
    this.#liveBytes -= location.recordBytes;
    const pack = this.packs.get(location.pack);
    if (pack !== undefined) pack.liveBytes -= location.recordBytes;
  }
}
