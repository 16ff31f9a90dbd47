/**
 * The one writer of a pack store. Operations queue up while the disk is busy; the next batch takes
 * all that fit, writes them with one call, and one sync makes them durable together (group commit).
 * An operation settles after the sync that covers it.
 *
 * Invariants: records are applied to the table in the order of the file, and only after the sync;
 * `pack.sizeBytes` is never behind what was synced, and nothing is written before it; a pack whose
 * write failed in a way that may leave the file in doubt is never written to again.
 */
import {
  type Clock,
  errorFields,
  isMeshError,
  type Logger,
  MeshError,
  type Random,
} from "@hearthmesh/core";
import type { Location } from "./chunk-index.js";
import type { PackFiles } from "./pack-files.js";
import {
  encodePackHeader,
  encodeRecordHead,
  PACK_HEADER_BYTES,
  type RecordHead,
  recordBytesOf,
  SALT_BYTES,
} from "./pack-format.js";
import { type ActivePack, emptyActive, type OpenedPacks, writeIndexOrLog } from "./pack-open.js";
import type { PackTable } from "./pack-table.js";
import type { SpaceGuard } from "./space-guard.js";

/** One write: large enough for a disk's full speed, small enough to answer soon. */
const BATCH_BYTES_MAX = 16 << 20;
const BATCH_OPERATIONS_MAX = 1024;
/** Operations that wait; bytes are bounded by the store's intake. */
const QUEUE_OPERATIONS_MAX = 65_536;

/**
 * - `put` adds a chunk. Refused with `MESH_DISK_FULL` before anything is written.
 * - `delete` adds a tombstone; it may use the space that is kept in reserve.
 * - `move` adds a copy of a live record, unless the chunk is no longer where it was.
 * - `bury` repeats a tombstone, unless the chunk has come back.
 */
export interface WriteOperation {
  readonly type: "put" | "delete" | "move" | "bury";
  readonly head: RecordHead;
  readonly pieces: readonly Uint8Array[];
  /** For `move`: where the record was read. */
  readonly from?: Location;
}

interface Queued {
  readonly operation: WriteOperation;
  readonly recordBytes: number;
  /** False when a `move` or `bury` was no longer wanted. */
  readonly resolve: (written: boolean) => void;
  readonly reject: (error: unknown) => void;
}

export interface PackWriterParts {
  readonly files: PackFiles;
  readonly table: PackTable;
  readonly space: SpaceGuard;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly packBytesMax: number;
}

export class PackWriter {
  readonly #parts: PackWriterParts;
  #queue: Queued[] = [];
  #active: ActivePack | undefined;
  #nextNumber: number;
  #running: Promise<void> | undefined;
  #isClosed = false;
  /** The last write's failure, until one succeeds; with the time at which it happened. */
  #failure: { error: unknown; atMs: number } | undefined;

  constructor(parts: PackWriterParts, opened: OpenedPacks) {
    this.#parts = parts;
    this.#active = opened.active;
    this.#nextNumber = opened.nextNumber;
  }

  get activeNumber(): number | undefined {
    return this.#active?.pack.number;
  }

  get failure(): { readonly error: unknown; readonly atMs: number } | undefined {
    return this.#failure;
  }

  /** Resolves when the operation is durable: true when it was written, false when not wanted. */
  write(operation: WriteOperation): Promise<boolean> {
    if (this.#isClosed) return Promise.reject(new MeshError("MESH_STORE_CLOSED"));
    if (this.#queue.length >= QUEUE_OPERATIONS_MAX) {
      return Promise.reject(
        new MeshError("MESH_LIMIT", { message: "too many writes wait for the disk of this node" }),
      );
    }
    return new Promise((resolve, reject) => {
      const recordBytes = recordBytesOf(operation.head);
      this.#queue.push({ operation, recordBytes, resolve, reject });
      // Started in a microtask, so that everything of this turn shares the first batch.
      this.#running ??= Promise.resolve().then(() => this.#run());
    });
  }

  /** Waits for what is queued, then writes the index of the active pack. */
  async close(): Promise<void> {
    this.#isClosed = true;
    while (this.#running !== undefined) await this.#running;
    await this.#seal();
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch: Queued[] = [];
      try {
        await this.#parts.space.refresh();
        const active = await this.#packWithRoom(this.#queue[0]?.recordBytes ?? 0);
        this.#gather(batch, active.pack.sizeBytes);
        if (batch.length === 0) continue;
        await this.#commit(batch, active);
        this.#failure = undefined;
      } catch (error) {
        await this.#recover(batch, error);
      }
    }
    this.#running = undefined;
  }

  /** Moves operations that go in one write from the queue to the batch. */
  #gather(batch: Queued[], packBytes: number): void {
    const { table, space, packBytesMax } = this.#parts;
    const touched = new Set<string>();
    let bytes = 0;
    let taken = 0;
    for (const queued of this.#queue) {
      const { operation, recordBytes } = queued;
      const name = operation.head.id.toString("latin1");
      const isFull =
        batch.length >= BATCH_OPERATIONS_MAX ||
        (batch.length > 0 && bytes + recordBytes > BATCH_BYTES_MAX) ||
        (batch.length > 0 && packBytes + bytes + recordBytes > packBytesMax);
      // Whether a conditional operation is wanted is known when those before it are applied.
      if (isFull || (operation.from !== undefined && touched.has(name))) break;
      if (operation.type === "bury" && touched.has(name)) break;
      taken++;
      if (operation.type === "put" && !space.allows(bytes + recordBytes)) {
        queued.reject(space.refusal(bytes + recordBytes));
        continue;
      }
      if (!isWanted(operation, table)) {
        queued.resolve(false);
        continue;
      }
      touched.add(name);
      batch.push(queued);
      bytes += recordBytes;
    }
    this.#queue.splice(0, taken);
  }

  async #commit(batch: readonly Queued[], active: ActivePack): Promise<void> {
    const { files, table, space } = this.#parts;
    const { pack, records } = active;
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    for (const { operation, recordBytes } of batch) {
      pieces.push(encodeRecordHead(operation.head, pack.salt, pack.sizeBytes), ...operation.pieces);
      bytes += recordBytes;
    }
    await files.use(pack.number, async (file) => {
      await file.write(pack.sizeBytes, pieces);
      await file.sync();
    });
    for (const { operation, recordBytes } of batch) {
      const kind = operation.head.kind;
      const entry = { kind, id: operation.head.id, offset: pack.sizeBytes, recordBytes };
      table.growPack(pack, recordBytes);
      records.add(entry);
      table.apply(pack, entry);
    }
    space.wrote(bytes);
    for (const queued of batch) queued.resolve(true);
  }

  async #packWithRoom(recordBytes: number): Promise<ActivePack> {
    const { packBytesMax } = this.#parts;
    const active = this.#active;
    if (active !== undefined && active.pack.sizeBytes + recordBytes <= packBytesMax) return active;
    await this.#seal();
    return await this.#beginPack();
  }

  async #beginPack(): Promise<ActivePack> {
    const { files, table, random } = this.#parts;
    const number = this.#nextNumber++;
    const salt = Buffer.from(random.bytes(SALT_BYTES));
    try {
      await files.use(
        number,
        async (file) => {
          await file.write(0, [encodePackHeader(number, salt)]);
          await file.sync();
        },
        { create: true },
      );
      await files.disk.syncDirectory(files.directory);
    } catch (error) {
      await files.remove(number).catch(() => undefined);
      throw error;
    }
    // In one step with the table, so that compaction never takes the pack for an old empty one.
    this.#active = emptyActive(table.addPack(number, salt, PACK_HEADER_BYTES));
    return this.#active;
  }

  async #seal(): Promise<void> {
    const active = this.#active;
    if (active === undefined) return;
    const { pack, records } = active;
    const facts = { salt: pack.salt, coveredBytes: pack.sizeBytes };
    await writeIndexOrLog(this.#parts.files, pack.number, facts, records, this.#parts.log);
    // Only now may compaction remove the pack and its index.
    this.#active = undefined;
  }

  /** After a failed write: fails its operations and makes sure that the next one starts clean. */
  async #recover(batch: readonly Queued[], error: unknown): Promise<void> {
    const { log, clock } = this.#parts;
    this.#failure = { error, atMs: clock.monotonicMs() };
    log.error("writing chunks failed", { count: batch.length, ...errorFields(error) });
    const active = this.#active;
    if (active !== undefined && batch.length > 0) {
      const isCut = await this.#cutOff(active);
      // After a failed sync the cache may claim what the disk does not have (the fsync problem of
      // 2018 in PostgreSQL): only a full disk leaves a pack that can be trusted with more.
      if (!isCut || !isMeshError(error, "MESH_DISK_FULL")) await this.#seal();
    }
    // When not even a pack could be made, the operation that asked for it fails.
    const failed = batch.length > 0 ? batch : this.#queue.splice(0, 1);
    for (const queued of failed) queued.reject(error);
  }

  async #cutOff({ pack }: ActivePack): Promise<boolean> {
    try {
      await this.#parts.files.use(pack.number, (file) => file.truncate(pack.sizeBytes));
      return true;
    } catch {
      return false;
    }
  }
}

function isWanted(operation: WriteOperation, table: PackTable): boolean {
  if (operation.from !== undefined) return table.isAt(operation.head.id, operation.from);
  if (operation.type === "bury") return table.index.get(operation.head.id) === undefined;
  return true;
}
