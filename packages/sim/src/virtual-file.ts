/**
 * The bytes of one simulated file: what the process sees, and what would survive a loss of power.
 * Between two syncs, any of the sectors that were written may reach the medium and any may not:
 * drives and kernels promise no order, and only a sector is written as a whole.
 */
import type { SeededRandom } from "./seeded-random.js";

export const SECTOR_BYTES = 512;
const PAGE_BYTES = 4096;

/** A page that is missing holds zeros. */
type Pages = Map<number, Uint8Array>;

/** What one sync is carrying to the medium: everything that was written before it began. */
export interface SyncInFlight {
  readonly pages: ReadonlyMap<number, Uint8Array | undefined>;
  readonly sizeBytes: number;
}

export class VirtualFile {
  #pages: Pages = new Map();
  readonly #durablePages: Pages = new Map();
  readonly #dirty = new Set<number>();
  readonly #syncs = new Set<SyncInFlight>();
  /** Pages that a sync or the medium holds: a write copies them first. */
  readonly #frozen = new WeakSet<Uint8Array>();
  #sizeBytes = 0;
  #durableSizeBytes = 0;

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Bytes that it takes on the medium. */
  get storedBytes(): number {
    return this.#pages.size * PAGE_BYTES;
  }

  /** Bytes that the medium would have to add for a write of this range. */
  growthBytes(position: number, length: number): number {
    if (length === 0) return 0;
    let added = 0;
    const last = Math.floor((position + length - 1) / PAGE_BYTES);
    for (let page = Math.floor(position / PAGE_BYTES); page <= last; page++) {
      if (!this.#pages.has(page)) added += PAGE_BYTES;
    }
    return added;
  }

  read(position: number, length: number): Uint8Array {
    const end = Math.min(position + length, this.#sizeBytes);
    const result = new Uint8Array(Math.max(0, end - position));
    for (let at = position; at < end; ) {
      const offset = at % PAGE_BYTES;
      const take = Math.min(PAGE_BYTES - offset, end - at);
      const page = this.#pages.get(Math.floor(at / PAGE_BYTES));
      if (page !== undefined) result.set(page.subarray(offset, offset + take), at - position);
      at += take;
    }
    return result;
  }

  write(position: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const offset = (position + at) % PAGE_BYTES;
      const take = Math.min(PAGE_BYTES - offset, bytes.length - at);
      const page = this.#writablePage(Math.floor((position + at) / PAGE_BYTES));
      page.set(bytes.subarray(at, at + take), offset);
      at += take;
    }
    this.#sizeBytes = Math.max(this.#sizeBytes, position + bytes.length);
  }

  truncate(sizeBytes: number): void {
    const keep = Math.ceil(sizeBytes / PAGE_BYTES);
    for (const page of this.#pages.keys()) {
      if (page < keep) continue;
      this.#pages.delete(page);
      this.#dirty.add(page);
    }
    this.#sizeBytes = sizeBytes;
    this.#clearTail();
  }

  beginSync(): SyncInFlight {
    const pages = new Map<number, Uint8Array | undefined>();
    for (const index of this.#dirty) {
      const page = this.#pages.get(index);
      if (page !== undefined) this.#frozen.add(page);
      pages.set(index, page);
    }
    this.#dirty.clear();
    const sync = { pages, sizeBytes: this.#sizeBytes };
    this.#syncs.add(sync);
    return sync;
  }

  finishSync(sync: SyncInFlight): void {
    if (!this.#syncs.delete(sync)) return;
    for (const [index, page] of sync.pages) {
      if (page === undefined) this.#durablePages.delete(index);
      else this.#durablePages.set(index, page);
    }
    this.#durableSizeBytes = sync.sizeBytes;
  }

  /** The kernel carries on without the process that asked. */
  finishSyncs(): void {
    for (const sync of [...this.#syncs]) this.finishSync(sync);
  }

  /** The medium refused: nothing is durable, and the next sync tries these pages again. */
  failSync(sync: SyncInFlight): void {
    if (!this.#syncs.delete(sync)) return;
    for (const index of sync.pages.keys()) this.#dirty.add(index);
  }

  /** The power went: of what was not synced, chance decides sector by sector. */
  losePower(random: SeededRandom): void {
    const sizes = [this.#durableSizeBytes, ...[...this.#syncs].map((sync) => sync.sizeBytes)];
    this.#sizeBytes = random.pick([...sizes, this.#sizeBytes]);
    const unsure = new Set(this.#dirty);
    for (const sync of this.#syncs) for (const index of sync.pages.keys()) unsure.add(index);
    for (const index of [...unsure].sort((a, b) => a - b)) {
      const versions = [this.#durablePages.get(index), this.#pages.get(index)];
      for (const sync of this.#syncs) {
        if (sync.pages.has(index)) versions.push(sync.pages.get(index));
      }
      this.#durablePages.set(index, tornPage(versions, random));
    }
    this.#syncs.clear();
    this.#dirty.clear();
    this.#pages = new Map(this.#durablePages);
    this.truncate(this.#sizeBytes);
    this.finishSync(this.beginSync());
  }

  /** Damages one bit, on the medium and in what is read from now on. */
  flipBit(position: number, bit: number): void {
    const index = Math.floor(position / PAGE_BYTES);
    const page = this.#writablePage(index);
    const offset = position % PAGE_BYTES;
    page[offset] = (page[offset] ?? 0) ^ (1 << bit);
    this.#durablePages.set(index, page.slice());
  }

  /** Bytes behind the end read as zeros when the file grows again. */
  #clearTail(): void {
    const tail = this.#sizeBytes % PAGE_BYTES;
    const last = Math.floor(this.#sizeBytes / PAGE_BYTES);
    if (tail > 0 && this.#pages.has(last)) this.#writablePage(last).fill(0, tail);
  }

  #writablePage(index: number): Uint8Array {
    this.#dirty.add(index);
    const present = this.#pages.get(index);
    if (present !== undefined && !this.#isFrozen(index, present)) return present;
    const page = present?.slice() ?? new Uint8Array(PAGE_BYTES);
    this.#pages.set(index, page);
    return page;
  }

  #isFrozen(index: number, page: Uint8Array): boolean {
    return this.#frozen.has(page) || this.#durablePages.get(index) === page;
  }
}

/** A page of which each sector comes from one of the versions. */
function tornPage(versions: readonly (Uint8Array | undefined)[], random: SeededRandom): Uint8Array {
  const torn = new Uint8Array(PAGE_BYTES);
  for (let offset = 0; offset < PAGE_BYTES; offset += SECTOR_BYTES) {
    const version = random.pick(versions);
    if (version !== undefined) torn.set(version.subarray(offset, offset + SECTOR_BYTES), offset);
  }
  return torn;
}
