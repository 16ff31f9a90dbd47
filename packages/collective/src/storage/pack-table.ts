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
  /** Chunks in it that the disk did not give. While there are any, the pack is not compacted. */
  suspectCount: number;
}

/** Suspect chunks that are remembered; what goes beyond is looked for again by the next start. */
const SUSPECTS_MAX = 65_536;

/**
 * A chunk whose record the disk did not give, which says nothing about the bytes, is a suspect: it
 * is not in the index, so that repair replaces it, but its place is still known.
 *
 * A pack whose records could not be read when the store opened is set aside. As long as there is
 * one, what older packs hold may be deleted by a tombstone in it, and it may hold what was deleted
 * since.
 *
 * Invariants: a pack's `liveBytes` is the sum of the records that the index has in it. No chunk is
 * both in the index and a suspect. No pack is both in `packs` and set aside.
 */
export class PackTable {
  readonly index = new ChunkIndex();
  readonly packs = new Map<number, Pack>();
  /** Numbers of the packs that are set aside. */
  readonly setAside = new Set<number>();
  /** While this is a set, the ids (in latin1) of all tombstones that are applied go there. */
  watchedGraves: Set<string> | undefined;
  /** By id in latin1; those that were tried last come last. */
  readonly #suspects = new Map<string, Location>();
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
    const pack = { number, salt, sizeBytes, liveBytes: 0, tombstoneBytes: 0, suspectCount: 0 };
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
      this.watchedGraves?.add(entry.id.toString("latin1"));
      pack.tombstoneBytes += entry.recordBytes;
      return;
    }
    this.#clearSuspect(entry.id);
    const { offset, recordBytes } = entry;
    this.#setLive(pack, entry.id, { pack: pack.number, offset, recordBytes });
  }

  /**
   * Takes a record into account after newer packs were. `buried` has the ids, in latin1, of the
   * tombstones in those.
   */
  applyLate(pack: Pack, entry: RecordEntry, buried: ReadonlySet<string>): void {
    if (entry.kind === "tombstone") {
      const present = this.locate(entry.id);
      if (present !== undefined && present.pack <= pack.number) this.forget(entry.id);
      pack.tombstoneBytes += entry.recordBytes;
      return;
    }
    const present = this.index.get(entry.id);
    const isNewer = present !== undefined && present.pack > pack.number;
    if (!isNewer && !buried.has(entry.id.toString("latin1"))) this.apply(pack, entry);
  }

  /** Drops a chunk, also one that is suspect; its record is dead from now on. */
  forget(id: Buffer): void {
    this.#clearSuspect(id);
    this.#died(this.index.delete(id));
  }

  /** Takes a chunk out of the index, to be tried again later. */
  suspect(id: Buffer, location: Location): void {
    this.forget(id);
    const pack = this.packs.get(location.pack);
    if (pack !== undefined) pack.suspectCount++;
    // Without an entry the count of the pack stays up, so the record stays for the next start.
    if (this.#suspects.size < SUSPECTS_MAX) this.#suspects.set(id.toString("latin1"), location);
  }

  /** Puts a suspect chunk back. False when it is none, or not at this place. */
  restore(id: Buffer, location: Location): boolean {
    const pack = this.packs.get(location.pack);
    if (pack === undefined || !this.isSuspectAt(id, location)) return false;
    this.#clearSuspect(id);
    this.#setLive(pack, id, location);
    return true;
  }

  /** The next suspects to try; they go to the end of the line. */
  nextSuspects(limit: number): Buffer[] {
    const entries = [...this.#suspects].slice(0, limit);
    for (const [name, location] of entries) {
      this.#suspects.delete(name);
      this.#suspects.set(name, location);
    }
    return entries.map(([name]) => Buffer.from(name, "latin1"));
  }

  isAt(id: Buffer, location: Location): boolean {
    return isSame(this.index.get(id), location);
  }

  isSuspectAt(id: Buffer, location: Location): boolean {
    return isSame(this.#suspectLocation(id), location);
  }

  /** Where the record of a chunk is, also of a suspect one. */
  locate(id: Buffer): Location | undefined {
    return this.index.get(id) ?? this.#suspectLocation(id);
  }

  /** In the index, and in no pack that is set aside there can be a tombstone for it. */
  isCertain(id: Buffer): boolean {
    const location = this.index.get(id);
    if (location === undefined) return false;
    for (const number of this.setAside) if (number > location.pack) return false;
    return true;
  }

  #suspectLocation(id: Buffer): Location | undefined {
    return this.#suspects.size === 0 ? undefined : this.#suspects.get(id.toString("latin1"));
  }

  #clearSuspect(id: Buffer): void {
    const location = this.#suspectLocation(id);
    if (location === undefined) return;
    this.#suspects.delete(id.toString("latin1"));
    const pack = this.packs.get(location.pack);
    if (pack !== undefined) pack.suspectCount--;
  }

  #setLive(pack: Pack, id: Buffer, location: Location): void {
    this.#died(this.index.set(id, location));
    pack.liveBytes += location.recordBytes;
    this.#liveBytes += location.recordBytes;
  }

  #died(location: Location | undefined): void {
    if (location === undefined) return;
    this.#liveBytes -= location.recordBytes;
    const pack = this.packs.get(location.pack);
    if (pack !== undefined) pack.liveBytes -= location.recordBytes;
  }
}

function isSame(found: Location | undefined, location: Location): boolean {
  return found?.pack === location.pack && found.offset === location.offset;
}
