/**
 * `file.put`: a whole small file in one request. Up to `INLINE_FILE_BYTES_MAX` it lives in its
 * entry; above, it is one chunk that the coordinator stores on the nodes itself. The answer waits
 * for as many copies as the durability rule wants; the others are completed behind it, and what
 * fails then goes to the repair queue. Should the coordinator die in between, the walk at its next
 * start finds what is missing.
 */
import {
  type Clock,
  errorFields,
  type FileId,
  type Logger,
  limits,
  MeshError,
  newFileId,
  type Random,
} from "@hearthmesh/core";
import type { Operation } from "@hearthmesh/store";
import { chunkIdOf } from "../storage/blake3.js";
import type { ChunkRef, Entry } from "../types.js";
import type { Access } from "./access.js";
import type { ChunkGuard } from "./chunk-guard.js";
import { Slots } from "./gates.js";
import type { LayoutBook } from "./layout-book.js";
import { linkFile } from "./link-file.js";
import { isDirectoryError, type NamespaceContext } from "./namespace-context.js";
import { type MeshPath, parentOf } from "./paths.js";
import type { FileRecord } from "./records.js";
import { queueOperations, referenceOperations } from "./references.js";
import type { ReplicaWriter, StoredCopies } from "./replica-writer.js";

export interface SmallFilesOptions {
  readonly namespace: NamespaceContext;
  readonly layouts: LayoutBook;
  readonly guard: ChunkGuard;
  readonly writer: ReplicaWriter;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  onQueued(chunks: number): void;
}

export interface PutInput {
  readonly path: MeshPath;
  readonly ifMatch: string | undefined;
  readonly bytes: Uint8Array;
}

export class SmallFiles {
  readonly #options: SmallFilesOptions;
  readonly #behind = new Set<Promise<void>>();
  readonly #slots = new Slots(limits.SMALL_FILES_AT_A_TIME_MAX);
  #bytesInFlight = 0;

  constructor(options: SmallFilesOptions) {
    this.#options = options;
  }

  async put(access: Access, input: PutInput): Promise<Entry> {
    const { path, bytes } = input;
    access.require(path, "write");
    if (path.names.length === 0) throw isDirectoryError(path);
    if (bytes.length > limits.SMALL_FILE_BYTES_MAX) {
      throw new MeshError("MESH_FILE_TOO_LARGE", {
        message: `file.put takes up to ${limits.SMALL_FILE_BYTES_MAX} bytes`,
        hint: "Larger files are uploaded in chunks: file.begin.",
      });
    }
    const { quotas } = this.#options.namespace;
    return quotas.holding(access.principal, bytes.length, () => {
      if (bytes.length > limits.INLINE_FILE_BYTES_MAX) return this.#putChunk(access, input);
      const record = this.#record(access, bytes.length, { chunkCount: 0, inline: bytes });
      return this.#link(input, record, []);
    });
  }

  /** Waits for the copies that are completed behind their answers. */
  async settle(): Promise<void> {
    await Promise.all(this.#behind);
  }

  async #putChunk(access: Access, input: PutInput): Promise<Entry> {
    const { namespace, guard } = this.#options;
    const { path, bytes } = input;
    await namespace.directories.parent(parentOf(path));
    this.#take(bytes.length);
    const ref: ChunkRef = { id: chunkIdOf([bytes]), sizeBytes: bytes.length };
    const record = this.#record(access, bytes.length, { chunkCount: 1, chunks: [ref.id] });
    try {
      return await this.#slots.run(() =>
        guard.use([ref.id], () => this.#storeAndLink(input, record, ref)),
      );
    } catch (error) {
      this.#bytesInFlight -= bytes.length;
      throw error;
    }
  }

  async #storeAndLink(input: PutInput, record: FileRecord, ref: ChunkRef): Promise<Entry> {
    const { writer, layouts } = this.#options;
    const { fileId, owner } = record;
    const copies = await writer.store({ fileId, index: 0, id: ref.id, owner }, input.bytes);
    // Those that are writing are expected to succeed; only what is known to be missing is queued.
    const expected = { id: ref.id, stored: new Set([...copies.stored, ...copies.pending]) };
    const queued = queueOperations(layouts.placement, fileId, 0, [expected]);
    this.#options.onQueued(queued.chunks);
    const rows = [...referenceOperations(fileId, 0, [ref]), ...queued.operations];
    const entry = await this.#link(input, record, rows);
    this.#completeBehind(fileId, ref, copies);
    return entry;
  }

  #link(input: PutInput, record: FileRecord, operations: readonly Operation[]): Promise<Entry> {
    const { path, ifMatch } = input;
    return linkFile(this.#options.namespace, { path, record, ifMatch, operations });
  }

  #record(
    access: Access,
    sizeBytes: number,
    content: Pick<FileRecord, "chunkCount" | "inline" | "chunks">,
  ): FileRecord {
    const { clock, random } = this.#options;
    const nowMs = clock.nowMs();
    return {
      kind: "file",
      fileId: newFileId(nowMs, random),
      sizeBytes,
      createdAtMs: nowMs,
      modifiedAtMs: nowMs,
      owner: access.principal.spiffeId,
      ...content,
    };
  }

  /** The bytes stay counted until every node has answered: that is what bounds the memory. */
  #take(bytes: number): void {
    if (this.#bytesInFlight + bytes > limits.SMALL_FILE_BYTES_IN_FLIGHT_MAX) {
      throw new MeshError("MESH_LIMIT", {
        message: "too many small files are on their way to storage nodes",
      });
    }
    this.#bytesInFlight += bytes;
  }

  #completeBehind(fileId: FileId, ref: ChunkRef, copies: StoredCopies): void {
    const { namespace, layouts, log, onQueued } = this.#options;
    const complete = async () => {
      const stored = await copies.settled;
      this.#bytesInFlight -= ref.sizeBytes;
      const failed = [...copies.pending].some((nodeId) => !stored.has(nodeId));
      if (!failed) return;
      const queued = queueOperations(layouts.placement, fileId, 0, [{ id: ref.id, stored }]);
      if (queued.chunks === 0) return;
      await namespace.store.transact({ success: queued.operations });
      onQueued(queued.chunks);
    };
    const behind = complete()
      .catch((error: unknown) => {
        // The walk finds it: the queue only makes repair faster.
        log.warn("a missing copy could not be queued for repair", errorFields(error));
      })
      .finally(() => this.#behind.delete(behind));
    this.#behind.add(behind);
  }
}
