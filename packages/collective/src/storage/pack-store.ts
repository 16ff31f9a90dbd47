/**
 * The chunk store of a storage node: a log of records in pack files. Chunks of any size are
 * appended; nothing is ever changed in place. See `pack-format.ts` for the bytes, `pack-writer.ts`
 * for the group commit, `pack-recovery.ts` for what happens after a crash, `pack-compaction.ts`
 * for how the space of deleted chunks comes back.
 *
 * Guarantees: `put` and `delete` resolve when they would survive a loss of power. `get` never gives
 * bytes that do not hash to the id. A chunk found damaged is missing from then on, so that repair
 * replaces it. A chunk that the disk does not give is missing too, but only until a later `get` or
 * a later look of its own succeeds (`pack-second-look.ts`). Only one process may have a directory
 * open; the caller sees to that.
 */
import {
  type ChunkId,
  type Clock,
  type Disk,
  errorFields,
  isMeshError,
  type Logger,
  limits,
  MeshError,
  parseChunkId,
  parseFileId,
  type Random,
  systemRandom,
} from "@hearthmesh/core";
import type { BufferFor, ChunkHeader, ChunkStore, StorageReport } from "../types.js";
import { chunkIdOf } from "./blake3.js";
import { ByteBudget } from "./byte-budget.js";
import type { Location } from "./chunk-index.js";
import { type CompactionStep, PackCompactor } from "./pack-compaction.js";
import { PackFiles } from "./pack-files.js";
import { chunkHead, chunkHeaderOf, OWNER_BYTES_MAX, tombstoneHead } from "./pack-format.js";
import { openPacks } from "./pack-open.js";
import { PackQuarantine } from "./pack-quarantine.js";
import { readRecord, type StoredRecord } from "./pack-reader.js";
import { SecondLook } from "./pack-second-look.js";
import { PackTable } from "./pack-table.js";
import { PackWriter, type WriteOperation } from "./pack-writer.js";
import { RecentDamage } from "./recent-damage.js";
import { SpaceGuard } from "./space-guard.js";

/** Puts that wait for the intake; each keeps at most one chunk in memory. */
const INTAKE_WAITERS_MAX = 1024;
/** After a failed write the node asks to be spared new chunks for this long. */
const FAILURE_REPORTED_MS = 60_000;

export interface PackStoreOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Logger;
  /** What the store may use of the disk, dead records included. */
  readonly capacityBytes: number;
  /** For the salts of packs. Default: the operating system's. */
  readonly random?: Random;
  /** Directory of the packs on the disk. Default `packs`. */
  readonly directory?: string;
  /** Default `PACK_BYTES_MAX`; at most 2 GiB. */
  readonly packBytesMax?: number;
  /** Default `DISK_RESERVE_BYTES`. */
  readonly reserveBytes?: number;
  /** Default `CHUNK_INTAKE_BYTES_MAX`. */
  readonly intakeBytesMax?: number;
  /** Called for every chunk that is taken out of service because its copy here is damaged. */
  readonly onDamaged?: (id: ChunkId) => void;
}

interface PendingChange {
  readonly kind: "put" | "delete";
  readonly done: Promise<void>;
}

/**
 * Opens the store in `directory`, which is made when it is missing. Throws `MESH_DISK_FAILED` when
 * the directory cannot be used, and `MESH_STORE_NEWER` when a later version wrote it.
 */
export async function openPackStore(options: PackStoreOptions): Promise<PackStore> {
  const log = options.log.child({ part: "pack-store" });
  const packBytesMax = Math.min(options.packBytesMax ?? limits.PACK_BYTES_MAX, 2 ** 31);
  const files = new PackFiles(options.disk, options.directory ?? "packs");
  const table = new PackTable();
  const opened = await openPacks(files, table, log, packBytesMax);
  const secondLook = new SecondLook({ files, table, log });
  await secondLook.whileOpening(options.clock);
  const space = new SpaceGuard({
    disk: options.disk,
    clock: options.clock,
    capacityBytes: options.capacityBytes,
    usedBytes: () => table.totalBytes,
    ...(options.reserveBytes === undefined ? {} : { reserveBytes: options.reserveBytes }),
  });
  const random = options.random ?? systemRandom();
  const writer = new PackWriter(
    { files, table, space, clock: options.clock, random, log, packBytesMax },
    opened,
  );
  const quarantine = new PackQuarantine(files, log);
  log.info("opened the chunk store", { count: table.index.size, bytes: table.liveBytes });
  return new PackStore({ options, files, table, space, writer, secondLook, quarantine, log });
}

interface PackStoreParts {
  readonly options: PackStoreOptions;
  readonly files: PackFiles;
  readonly table: PackTable;
  readonly space: SpaceGuard;
  readonly writer: PackWriter;
  readonly secondLook: SecondLook;
  readonly quarantine: PackQuarantine;
  readonly log: Logger;
}

/** Made by `openPackStore`. */
export class PackStore implements ChunkStore {
  readonly #parts: PackStoreParts;
  readonly #compactor: PackCompactor;
  readonly #intake: ByteBudget;
  /** The last change of a chunk that is on its way to the disk. */
  readonly #pending = new Map<ChunkId, PendingChange>();
  readonly #recentDamage = new RecentDamage();
  #corruptChunks = 0;
  /** Why the node takes nothing new, when somebody said so. */
  #refusal: string | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: PackStoreParts) {
    this.#parts = parts;
    const { files, table, space, writer, log, options } = parts;
    this.#intake = new ByteBudget(
      options.intakeBytesMax ?? limits.CHUNK_INTAKE_BYTES_MAX,
      INTAKE_WAITERS_MAX,
    );
    this.#compactor = new PackCompactor({
      files,
      table,
      writer,
      space,
      log,
      capacityBytes: options.capacityBytes,
      nowMs: () => options.clock.nowMs(),
      lookAgain: () => this.#lookAgain(),
      onDamaged: (id, location, failure) => this.#condemn(id, location, failure),
    });
  }

  /**
   * `MESH_CHUNK_MISMATCH`, `MESH_DISK_FULL`, `MESH_DISK_FAILED`; `MESH_LIMIT` when too many wait.
   * A chunk that is there already is not written again; its first header stays.
   */
  async put(header: ChunkHeader, pieces: readonly Uint8Array[]): Promise<void> {
    this.#assertOpen();
    if (this.#refusal !== undefined) {
      throw new MeshError("MESH_DISK_FULL", { message: this.#refusal });
    }
    checkHeader(header, pieces);
    await this.#intake.acquire(header.sizeBytes);
    try {
      this.#assertOpen();
      const before = this.#pending.get(header.id);
      if (before?.kind === "put") return await before.done;
      // Where a tombstone may turn up later, only a copy that is newer is sure to stay.
      if (before === undefined && this.#parts.table.isCertain(idBytes(header.id))) return;
      await this.#change(header.id, { type: "put", head: chunkHead(header), pieces });
    } finally {
      this.#intake.release(header.sizeBytes);
    }
  }

  /**
   * `MESH_CHUNK_NOT_FOUND`; `MESH_CHUNK_MISMATCH` when the chunk is damaged, which then is no
   * longer there; `MESH_DISK_FAILED` when the disk does not give it, which another call may change.
   */
  async get(
    id: ChunkId,
    bufferFor?: BufferFor,
  ): Promise<{ header: ChunkHeader; bytes: Uint8Array }> {
    this.#assertOpen();
    const record = await this.#read(idBytes(id), bufferFor);
    return { header: chunkHeaderOf(record.head), bytes: record.payload };
  }

  /** True for a chunk that is on the disk for good, as far as the disk has given it lately. */
  has(id: ChunkId): boolean {
    return this.#parts.table.index.get(idBytes(id)) !== undefined;
  }

  /** Chunks that are not there count as deleted. Works on a full disk, too. */
  async delete(ids: readonly ChunkId[]): Promise<void> {
    this.#assertOpen();
    const { table, options } = this.#parts;
    const nowMs = options.clock.nowMs();
    const changes = [...new Set(ids)].map((id) => {
      const before = this.#pending.get(id);
      if (before?.kind === "delete") return before.done;
      const name = idBytes(id);
      // A pack that is set aside may hold it.
      const isThere = table.locate(name) !== undefined || table.setAside.size > 0;
      if (before === undefined && !isThere) return undefined;
      const head = tombstoneHead(name, nowMs);
      return this.#change(id, { type: "delete", head, pieces: [] });
    });
    const results = await Promise.allSettled(changes);
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  list(after: ChunkId | undefined, limit: number): readonly ChunkId[] {
    return this.#parts.table.index.list(after === undefined ? after : idBytes(after), limit);
  }

  /** `usedBytes` counts what lives; dead records still weigh on `freeBytes` until compaction. */
  async report(): Promise<StorageReport> {
    const { table, space, options } = this.#parts;
    const unreadable = await space.refresh().then(
      () => undefined,
      (error: unknown) => error,
    );
    const readOnly = this.#readOnlyReason(unreadable);
    return {
      capacityBytes: options.capacityBytes,
      usedBytes: table.liveBytes,
      freeBytes: space.freeBytes,
      chunkCount: table.index.size,
      corruptChunks: this.#corruptChunks,
      corruptLastDay: this.#recentDamage.count(options.clock.monotonicMs()),
      ...(table.setAside.size === 0 ? {} : { unreadablePacks: table.setAside.size }),
      ...(readOnly === undefined ? {} : { readOnly }),
    };
  }

  /** From now on nothing new is taken, with this reason; without one it is again. */
  refuse(reason: string | undefined): void {
    this.#refusal = reason;
  }

  /**
   * One bounded step of upkeep, for a worker that decides how often: tries again what the disk did
   * not give before, then compacts.
   */
  compactOnce(): Promise<CompactionStep> {
    this.#assertOpen();
    return this.#compactor.step();
  }

  /** Waits for what is being written; everything later is `MESH_STORE_CLOSED`. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#compactor.stop();
    await this.#parts.writer.close();
    await this.#parts.quarantine.settled();
    await this.#parts.files.closeAll();
  }

  async #change(id: ChunkId, operation: WriteOperation): Promise<void> {
    const done = this.#parts.writer.write(operation).then(() => undefined);
    const change: PendingChange = { kind: operation.type === "put" ? "put" : "delete", done };
    this.#pending.set(id, change);
    try {
      await done;
    } finally {
      if (this.#pending.get(id) === change) this.#pending.delete(id);
    }
  }

  async #lookAgain(): Promise<void> {
    const { secondLook } = this.#parts;
    await secondLook.atPacks();
    await secondLook.atChunks((id) => this.#read(id));
  }

  async #read(id: Buffer, bufferFor?: BufferFor): Promise<StoredRecord> {
    const { files, table, log } = this.#parts;
    const location = table.locate(id);
    if (location === undefined) throw new MeshError("MESH_CHUNK_NOT_FOUND");
    const salt = table.packs.get(location.pack)?.salt ?? Buffer.alloc(0);
    let record: StoredRecord | undefined;
    try {
      record = await readRecord(files, id, location, salt, bufferFor);
    } catch (error) {
      this.#condemn(id, location, error);
      throw error;
    }
    if (record === undefined) {
      this.#condemn(id, location, undefined);
      throw new MeshError("MESH_CHUNK_MISMATCH", {
        message: "this node's copy of the chunk is damaged",
        hint: "Another replica is asked; repair replaces this one.",
      });
    }
    if (table.restore(id, location)) {
      this.#corruptChunks--;
      this.#recentDamage.forget(id.toString("hex") as ChunkId);
      log.info("a chunk that could not be read is back", { chunkId: id.toString("hex") });
    }
    return record;
  }

  /**
   * Takes a chunk out of the index. Without a failure its bytes are wrong, and a tombstone makes
   * that last; when the disk would not give them they may be whole, and the chunk is only suspect.
   */
  #condemn(id: Buffer, location: Location, failure: unknown): void {
    const { files, table, log, options, quarantine } = this.#parts;
    const isNew = table.isAt(id, location);
    if (!isNew && !table.isSuspectAt(id, location)) return;
    const chunkId = id.toString("hex") as ChunkId;
    if (isNew) {
      this.#corruptChunks++;
      this.#recentDamage.add(chunkId, options.clock.monotonicMs());
      options.onDamaged?.(chunkId);
    }
    if (isNew || failure === undefined) {
      log.error(failure === undefined ? "a chunk is damaged" : "a chunk cannot be read back", {
        chunkId,
        path: files.packPath(location.pack),
        ...(failure === undefined ? {} : errorFields(failure)),
      });
    }
    if (failure !== undefined) {
      if (isNew) table.suspect(id, location);
      return;
    }
    table.forget(id);
    void quarantine.keep(id, location);
    const head = tombstoneHead(id, options.clock.nowMs());
    this.#change(chunkId, { type: "delete", head, pieces: [] }).catch((error: unknown) =>
      log.warn("could not mark a damaged chunk", errorFields(error)),
    );
  }

  #readOnlyReason(unreadable: unknown): string | undefined {
    if (this.#refusal !== undefined) return this.#refusal;
    const { writer, space, options } = this.#parts;
    const failure = writer.failure;
    const isRecent =
      failure !== undefined &&
      options.clock.monotonicMs() - failure.atMs < FAILURE_REPORTED_MS &&
      !isMeshError(failure.error, "MESH_DISK_FULL");
    const error = unreadable ?? (isRecent ? failure.error : undefined);
    if (error !== undefined) return error instanceof Error ? error.message : String(error);
    return space.freeBytes < limits.CHUNK_BYTES_MAX ? "there is no space left" : undefined;
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new MeshError("MESH_STORE_CLOSED");
  }
}

function idBytes(id: ChunkId): Buffer {
  return Buffer.from(parseChunkId(id), "hex");
}

function checkHeader(header: ChunkHeader, pieces: readonly Uint8Array[]): void {
  parseChunkId(header.id);
  parseFileId(header.fileId);
  const sizeBytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const isSane =
    header.sizeBytes === sizeBytes &&
    sizeBytes <= limits.CHUNK_BYTES_MAX &&
    Number.isInteger(header.index) &&
    header.index >= 0 &&
    header.index < 2 ** 32 &&
    Buffer.byteLength(header.owner) <= OWNER_BYTES_MAX;
  if (!isSane) {
    throw new MeshError("MESH_BAD_REQUEST", { message: "the header of the chunk is not valid" });
  }
  if (chunkIdOf(pieces) !== header.id) throw new MeshError("MESH_CHUNK_MISMATCH");
}
