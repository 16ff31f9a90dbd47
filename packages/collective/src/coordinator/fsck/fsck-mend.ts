/**
 * What a check may mend, each as one transaction whose compares hold what was found, so that a
 * change that came first wins. Nothing here takes a chunk or an entry away: references are added,
 * notes that would lead to a deletion are removed, entries that nothing leads to get a place.
 */
import { type ChunkId, type FileId, newFileId } from "@hearthmesh/core";
import { expectExists, expectMissing, expectRevision, put, remove } from "@hearthmesh/store";
import type { ChunkGuard } from "../chunk-guard.js";
import { keys, ROOT_ID } from "../keys.js";
import type { NamespaceContext } from "../namespace-context.js";
import {
  chunkSizeAt,
  type DirectoryRecord,
  decodeEntry,
  encodeEntry,
  encodeReference,
  type FileRecord,
} from "../records.js";
import { segmentsOf } from "../segments.js";
import { decodeTrash } from "../trash-records.js";

const LOST_AND_FOUND = "lost+found";
/** As the root: made by nobody. */
const NOBODY = "";

export class FsckMend {
  readonly #context: NamespaceContext;
  readonly #guard: ChunkGuard;

  constructor(context: NamespaceContext, guard: ChunkGuard) {
    this.#context = context;
    this.#guard = guard;
  }

  /**
   * The chunks of a file that have no reference, with the file as it is now. Undefined when it is
   * no longer this content.
   */
  async missingReferences(
    key: string,
    fileId: FileId,
  ): Promise<{ missing: readonly ChunkRefAt[]; isWhole: boolean } | undefined> {
    const { store } = this.#context;
    const row = await store.get(key);
    if (row === undefined) return undefined;
    const record = key.startsWith("t/") ? decodeTrash(row.value).entry : decodeEntry(row.value);
    if (record.kind !== "file" || record.fileId !== fileId) return undefined;
    const chunks = await this.#chunksOf(record);
    const missing = new Map<ChunkId, ChunkRefAt>();
    for (const [index, id] of chunks.entries()) {
      if (missing.has(id)) continue;
      if ((await store.get(keys.reference(id, fileId))) !== undefined) continue;
      missing.set(id, { id, index, sizeBytes: chunkSizeAt(record.sizeBytes, index) });
    }
    return { missing: [...missing.values()], isWhole: chunks.length === record.chunkCount };
  }

  /** While the chunk is in use, so that nobody deletes it at the same time. */
  addReference(key: string, fileId: FileId, chunk: ChunkRefAt): Promise<boolean> {
    const { store } = this.#context;
    return this.#guard.use([chunk.id], async () => {
      const row = await store.get(key);
      if (row === undefined) return false;
      const reference = keys.reference(chunk.id, fileId);
      const { succeeded } = await store.transact({
        compare: [expectRevision(key, row.modRevision), expectMissing(reference)],
        success: [put(reference, encodeReference(chunk.index, chunk.sizeBytes))],
      });
      return succeeded;
    });
  }

  /** A note that would take the references of a living file away. */
  async forgetDeath(key: string, fileId: FileId): Promise<boolean> {
    const row = await this.#context.store.get(key);
    if (row === undefined) return false;
    const { succeeded } = await this.#context.store.transact({
      compare: [expectRevision(key, row.modRevision), expectExists(keys.dead(fileId))],
      success: [remove(keys.dead(fileId))],
    });
    return succeeded;
  }

  /** A row of the repair queue of nobody. What it may have known, the walk finds. */
  async forgetQueued(key: string): Promise<boolean> {
    const { succeeded } = await this.#context.store.transact({
      compare: [expectExists(key)],
      success: [remove(key)],
    });
    return succeeded;
  }

  /** Gives a directory that nothing leads to a place: `/lost+found/<its id>`. */
  adoptDirectory(fileId: FileId): Promise<boolean> {
    return this.#context.gate.shared(() => this.#adopt(fileId));
  }

  async #adopt(fileId: FileId): Promise<boolean> {
    const { store, directories, clock } = this.#context;
    const parentKey = keys.entry(ROOT_ID, LOST_AND_FOUND);
    const parentId = await this.#lostAndFound(parentKey);
    if (parentId === undefined) return false;
    const nowMs = clock.nowMs();
    const record: DirectoryRecord = {
      ...{ kind: "directory", fileId, owner: NOBODY },
      ...{ createdAtMs: nowMs, modifiedAtMs: nowMs },
    };
    const key = keys.entry(parentId, fileId);
    const { succeeded } = await store.transact({
      compare: [expectExists(parentKey), expectMissing(key), expectMissing(keys.dead(fileId))],
      success: [put(key, encodeEntry(record))],
    });
    directories.forgetAll();
    return succeeded;
  }

  /** Undefined when a file has its name. */
  async #lostAndFound(key: string): Promise<FileId | undefined> {
    const { store, clock, random, directories } = this.#context;
    const nowMs = clock.nowMs();
    const fileId = newFileId(nowMs, random);
    const record: DirectoryRecord = {
      ...{ kind: "directory", fileId, owner: NOBODY },
      ...{ createdAtMs: nowMs, modifiedAtMs: nowMs },
    };
    await store.transact({
      compare: [expectMissing(key)],
      success: [put(key, encodeEntry(record))],
    });
    directories.forget(key);
    const row = await store.get(key);
    const found = row === undefined ? undefined : decodeEntry(row.value);
    return found?.kind === "directory" ? found.fileId : undefined;
  }

  async #chunksOf({ fileId, chunkCount, chunks }: FileRecord): Promise<readonly ChunkId[]> {
    if (chunkCount === 0 || chunks !== undefined) return chunks ?? [];
    const all: ChunkId[] = [];
    for await (const ids of segmentsOf(this.#context.store, fileId)) all.push(...ids);
    return all;
  }
}

export interface ChunkRefAt {
  readonly id: ChunkId;
  readonly index: number;
  readonly sizeBytes: number;
}
