/**
 * Gives the space of deleted chunks back, one pack at a time and in small steps. The records of the
 * pack that still live are copied to the newest pack through the one writer; when all copies are
 * durable and nothing points to the pack any more, it is removed. A crash at any point leaves
 * either the old record or both: the later one counts, and the pack is compacted again.
 *
 * A tombstone is copied too as long as an older pack still holds a record that it keeps down, or
 * may hold one because it is set aside. A pack that is older than one that is set aside is left
 * alone: a copy of its tombstone would delete what was put again since, and a copy of its chunk
 * would undo a deletion.
 */
import { type Logger, MeshError } from "@hearthmesh/core";
import type { Location } from "./chunk-index.js";
import type { PackFiles } from "./pack-files.js";
import { PACK_HEADER_BYTES, tombstoneHead } from "./pack-format.js";
import { type RecordEntry, RecordList } from "./pack-index-file.js";
import { readRecord } from "./pack-reader.js";
import { loadPack } from "./pack-recovery.js";
import type { Pack, PackTable } from "./pack-table.js";
import type { PackWriter, WriteOperation } from "./pack-writer.js";
import type { SpaceGuard } from "./space-guard.js";

/** A pack is worth compacting when more than this part of it is dead. */
const DEAD_RATIO_MIN = 0.5;
/** The same when the node has little space left. */
const DEAD_RATIO_MIN_TIGHT = 0.1;
/** Part of the capacity below which space is little. */
const TIGHT_RATIO = 0.1;
/** Bytes that one step copies, so that other work goes on between steps. */
const STEP_BYTES_MAX = 8 << 20;

export interface CompactionStep {
  readonly movedBytes: number;
  readonly removedPacks: number;
  /** There is more to do now. */
  readonly more: boolean;
}

export interface CompactorParts {
  readonly files: PackFiles;
  readonly table: PackTable;
  readonly writer: PackWriter;
  readonly space: SpaceGuard;
  readonly capacityBytes: number;
  readonly log: Logger;
  readonly nowMs: () => number;
  /** Comes before each step, never beside one: tries again what the disk did not give before. */
  readonly lookAgain: () => Promise<void>;
  /** Called for a live record that cannot be read back; with the disk's error when there is one. */
  readonly onDamaged: (id: Buffer, location: Location, failure: unknown) => void;
}

interface Job {
  readonly pack: Pack;
  readonly records: RecordList;
  /** Ids, in latin1, whose tombstone must be kept. */
  readonly graves: ReadonlySet<string>;
  next: number;
}

export class PackCompactor {
  readonly #parts: CompactorParts;
  #job: Job | undefined;
  #running: Promise<CompactionStep> | undefined;
  #isStopped = false;

  constructor(parts: CompactorParts) {
    this.#parts = parts;
  }

  /**
   * One bounded step; a call while one runs shares it. Throws what the disk throws; the next call
   * then begins the pack again.
   */
  step(): Promise<CompactionStep> {
    this.#running ??= this.#step().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Waits for the step that runs; no later one does anything. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running?.catch(() => undefined);
  }

  async #step(): Promise<CompactionStep> {
    try {
      await this.#parts.lookAgain();
      this.#job ??= await this.#begin();
      if (this.#job === undefined) return { movedBytes: 0, removedPacks: 0, more: false };
      const movedBytes = await this.#copySome(this.#job);
      if (this.#isStopped) throw new MeshError("MESH_STORE_CLOSED");
      if (this.#job.next < this.#job.records.count) {
        return { movedBytes, removedPacks: 0, more: true };
      }
      const removedPacks = await this.#finish(this.#job.pack);
      this.#job = undefined;
      return { movedBytes, removedPacks, more: removedPacks > 0 };
    } catch (error) {
      this.#job = undefined;
      throw error;
    }
  }

  async #begin(): Promise<Job | undefined> {
    const { files, space } = this.#parts;
    await space.refresh();
    const pack = this.#choose();
    if (pack === undefined) return undefined;
    const records = await this.#recordsOf(pack.number);
    const graves = await this.#gravesToKeep(pack, records);
    this.#parts.log.debug("compacting a pack", {
      path: files.packPath(pack.number),
      bytes: pack.sizeBytes - pack.liveBytes,
    });
    return { pack, records, graves, next: 0 };
  }

  /**
   * The pack with the greatest dead part, when that is great enough and its living fit elsewhere.
   */
  #choose(): Pack | undefined {
    const { table, writer, space, capacityBytes } = this.#parts;
    const isTight = space.freeBytes < capacityBytes * TIGHT_RATIO;
    let bestRatio = isTight ? DEAD_RATIO_MIN_TIGHT : DEAD_RATIO_MIN;
    let best: Pack | undefined;
    const oldest = Math.min(...table.packs.keys(), ...table.setAside);
    const newestSetAside = Math.max(0, ...table.setAside);
    for (const pack of table.packs.values()) {
      if (pack.number < newestSetAside) continue;
      if (pack.number === writer.activeNumber || pack.suspectCount > 0) continue;
      if (!space.diskHas(pack.liveBytes)) continue;
      // In the oldest pack a tombstone has nothing to keep down.
      const graveBytes = pack.number === oldest ? 0 : pack.tombstoneBytes;
      const keptBytes = pack.liveBytes + graveBytes;
      const size = Math.max(1, pack.sizeBytes - PACK_HEADER_BYTES);
      const ratio = keptBytes === 0 ? 1 : 1 - keptBytes / size;
      if (ratio > bestRatio) {
        best = pack;
        bestRatio = ratio;
      }
    }
    return best;
  }

  async #recordsOf(number: number): Promise<RecordList> {
    const content = await loadPack(this.#parts.files, number);
    return content.state === "loaded" ? content.records : new RecordList();
  }

  async #gravesToKeep(pack: Pack, records: RecordList): Promise<Set<string>> {
    const { table } = this.#parts;
    const candidates = new Set<string>();
    for (const entry of records) {
      if (entry.kind === "tombstone" && table.index.get(entry.id) === undefined) {
        candidates.add(entry.id.toString("latin1"));
      }
    }
    const kept = new Set<string>();
    if (candidates.size === 0) return kept;
    for (const number of table.setAside) if (number < pack.number) return candidates;
    const older = [...table.packs.keys()].filter((number) => number < pack.number);
    for (const number of older) {
      for (const entry of await this.#recordsOf(number)) {
        const name = entry.id.toString("latin1");
        if (entry.kind === "chunk" && candidates.has(name)) kept.add(name);
      }
    }
    return kept;
  }

  async #copySome(job: Job): Promise<number> {
    const writes: Promise<{ movedBytes: number; error?: unknown }>[] = [];
    let bytes = 0;
    while (job.next < job.records.count && bytes < STEP_BYTES_MAX) {
      const entry = job.records.at(job.next++);
      if (entry === undefined || this.#isStopped) break;
      const operation = await this.#copyOf(job, entry);
      if (operation === undefined) continue;
      const { recordBytes } = entry;
      bytes += recordBytes;
      writes.push(
        this.#parts.writer.write(operation).then(
          (written) => ({ movedBytes: written ? recordBytes : 0 }),
          (error: unknown) => ({ movedBytes: 0, error }),
        ),
      );
    }
    const results = await Promise.all(writes);
    const failed = results.find((result) => result.error !== undefined);
    if (failed !== undefined) throw failed.error;
    return results.reduce((sum, result) => sum + result.movedBytes, 0);
  }

  /** What to write so that the pack can do without this record; undefined when nothing. */
  async #copyOf(job: Job, entry: RecordEntry): Promise<WriteOperation | undefined> {
    const { files, table, nowMs, onDamaged } = this.#parts;
    const { recordBytes } = entry;
    const id = Buffer.from(entry.id);
    if (entry.kind === "tombstone") {
      if (!job.graves.has(id.toString("latin1"))) return undefined;
      return { type: "bury", head: tombstoneHead(id, nowMs()), pieces: [] };
    }
    const from: Location = { pack: job.pack.number, offset: entry.offset, recordBytes };
    if (!table.isAt(id, from)) return undefined;
    try {
      const record = await readRecord(files, id, from, job.pack.salt);
      if (record !== undefined) {
        return { type: "move", head: record.head, pieces: [record.payload], from };
      }
    } catch (error) {
      // The pack stays: what could not be read now may be readable another time.
      onDamaged(id, from, error);
      throw error;
    }
    onDamaged(id, from, undefined);
    return undefined;
  }

  async #finish(pack: Pack): Promise<number> {
    const { files, table, log } = this.#parts;
    if (pack.suspectCount > 0) return 0;
    if (pack.liveBytes > 0) {
      log.error("a compacted pack still has live chunks; it is kept", {
        path: files.packPath(pack.number),
        bytes: pack.liveBytes,
      });
      return 0;
    }
    table.dropPack(pack);
    await files.remove(pack.number);
    return 1;
  }
}
