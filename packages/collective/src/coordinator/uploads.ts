/**
 * Uploads of large files. A client begins one, stores the chunks on the nodes itself, tells the
 * coordinator in segments what it stored, with the nodes' receipts, and commits.
 *
 * States: none -> open (`begin`) -> open (`segment`, `ticket`) -> committed | aborted | expired.
 * Invariants: segments come in order and are written once; the row `u/<file>` counts them; nothing
 * is visible before the commit, whose one transaction removes the row. A repeated `segment` or
 * `commit` with the same content gives the same answer. A caller that is not the one who began gets
 * `MESH_UPLOAD_UNKNOWN`, like for an upload that never was.
 */
import {
  type Clock,
  type FileId,
  limits,
  MeshError,
  type NodeId,
  newFileId,
  type Random,
} from "@hearthmesh/core";
import { expectMissing, expectRevision, type Operation, put, remove } from "@hearthmesh/store";
import type { Entry } from "../types.js";
import type { Access } from "./access.js";
import type { ChunkGuard } from "./chunk-guard.js";
import { CommitMemory } from "./commit-memory.js";
import type { Condemned } from "./condemned.js";
import { acksNeeded, noStorage, type StorageView } from "./durability.js";
import { keys } from "./keys.js";
import type { LayoutBook } from "./layout-book.js";
import { linkFile } from "./link-file.js";
import {
  bury,
  checkIfMatch,
  isDirectoryError,
  loadEntry,
  type NamespaceContext,
} from "./namespace-context.js";
import type { NodeCalls } from "./node-calls.js";
import type { OpenUploads } from "./open-uploads.js";
import { type MeshPath, nameOf, parentOf, parsePath } from "./paths.js";
import { type ChunkClaim, checkAgain, checkClaim } from "./receipt-check.js";
import type { ReceiptKeys } from "./receipt-keys.js";
import {
  decodeJson,
  decodeSegment,
  encodeJson,
  encodeSegment,
  type UploadRecord,
} from "./records.js";
import { queueOperations, referenceOperations, type StoredChunk } from "./references.js";
import { type Attempt, withRetries } from "./store-helpers.js";
import {
  badUpload,
  type CommitInput,
  checkCommit,
  checkNextSegment,
  contentOf,
  fileRecord,
  type SegmentInput,
  unknownUpload,
} from "./upload-checks.js";

export interface UploadsOptions {
  readonly namespace: NamespaceContext;
  readonly layouts: LayoutBook;
  readonly open: OpenUploads;
  readonly guard: ChunkGuard;
  readonly condemned: Condemned;
  readonly receiptKeys: ReceiptKeys;
  readonly calls: NodeCalls;
  readonly clock: Clock;
  readonly random: Random;
  rule(): StorageView;
  /** A segment was written whose chunks need more copies. */
  onQueued(chunks: number): void;
}

interface Upload {
  readonly fileId: FileId;
  readonly record: UploadRecord;
  readonly modRevision: number;
  readonly createRevision: number;
}

export class Uploads {
  readonly #options: UploadsOptions;
  readonly #committed = new CommitMemory();

  constructor(options: UploadsOptions) {
    this.#options = options;
  }

  /** Refuses at once what could not be committed: see `linkFile` for the errors. */
  async begin(access: Access, path: MeshPath, ifMatch: string | undefined): Promise<FileId> {
    access.require(path, "write");
    const { clock, random, open, namespace } = this.#options;
    namespace.quotas.require(access.principal, 1);
    await this.#checkTarget(path, ifMatch);
    this.#checkStorage();
    const owner = access.principal.spiffeId;
    const nowMs = clock.nowMs();
    const fileId = newFileId(nowMs, random);
    open.reserve(fileId, owner, clock.monotonicMs());
    const record: UploadRecord = {
      v: 1,
      path: path.text,
      owner,
      ...(ifMatch === undefined ? {} : { ifMatch }),
      beganAtMs: nowMs,
      segments: 0,
      chunks: 0,
      sizeBytes: 0,
    };
    try {
      const key = keys.upload(fileId);
      const result = await namespace.store.transact({
        compare: [expectMissing(key)],
        success: [put(key, encodeJson(record))],
      });
      if (!result.succeeded) throw new MeshError("MESH_STORE_BUSY");
      open.began(fileId, result.revision);
    } catch (error) {
      open.end(fileId);
      throw error;
    }
    return fileId;
  }

  /** Keeps an upload alive, for a new ticket; says where the file will be. */
  async renew(access: Access, fileId: FileId): Promise<MeshPath> {
    const { record } = await this.#load(access, fileId);
    this.#checkStorage();
    return parsePath(record.path);
  }

  segment(access: Access, input: SegmentInput): Promise<void> {
    return withRetries(async (): Promise<Attempt<void>> => {
      const upload = await this.#load(access, input.fileId);
      if (input.segment < upload.record.segments) {
        await this.#checkRepeated(input);
        return { done: undefined };
      }
      const sizeBytes = checkNextSegment(upload.record, input);
      const { guard, namespace } = this.#options;
      const ids = input.chunks.map((chunk) => chunk.id);
      return namespace.quotas.holding(access.principal, sizeBytes, () =>
        guard.use(ids, () => this.#writeSegment(upload, input, sizeBytes)),
      );
    });
  }

  async commit(access: Access, input: CommitInput): Promise<Entry> {
    const before = this.#committed.find(input.fileId, access.principal.spiffeId);
    if (before !== undefined) return before;
    return withRetries(async () => {
      const upload = await this.#load(access, input.fileId);
      checkCommit(upload.record, input);
      const { guard, namespace, open } = this.#options;
      const ids = input.chunks.map((chunk) => chunk.id);
      const added = input.sizeBytes - upload.record.sizeBytes;
      const entry = await namespace.quotas.holding(access.principal, added, () =>
        guard.use(ids, () => this.#link(upload, input)),
      );
      if (entry === "again") return entry;
      open.end(input.fileId);
      namespace.quotas.ended(input.fileId);
      this.#committed.add(input.fileId, access.principal.spiffeId, entry);
      return { done: entry };
    });
  }

  /** An upload that is not there is no error: the caller wants it gone. */
  async abort(access: Access, fileId: FileId): Promise<void> {
    try {
      // Who may not write any more may still give up what it began.
      await this.#loadOwn(access, fileId);
    } catch (error) {
      if (error instanceof MeshError && error.code === "MESH_UPLOAD_UNKNOWN") return;
      throw error;
    }
    await this.discard(fileId);
  }

  /** Ends an upload without a file; what it stored is left to the sweeper. */
  discard(fileId: FileId): Promise<void> {
    const { namespace, open } = this.#options;
    const key = keys.upload(fileId);
    return withRetries(async (): Promise<Attempt<void>> => {
      const row = await namespace.store.get(key);
      if (row !== undefined) {
        const { segments, chunks, sizeBytes } = decodeJson<UploadRecord>(row.value);
        const content = fileRecord(fileId, { sizeBytes, chunkCount: chunks });
        const result = await namespace.store.transact({
          compare: [expectRevision(key, row.modRevision)],
          success: [remove(key), ...(segments === 0 ? [] : bury(namespace, content))],
        });
        if (!result.succeeded) return "again";
      }
      open.end(fileId);
      namespace.quotas.ended(fileId);
      return { done: undefined };
    });
  }

  async #load(access: Access, fileId: FileId): Promise<Upload> {
    const upload = await this.#loadOwn(access, fileId);
    // Again at every step: a grant may have ended since.
    access.require(parsePath(upload.record.path), "write");
    const { open, clock } = this.#options;
    open.touch(fileId, clock.monotonicMs());
    return upload;
  }

  async #loadOwn(access: Access, fileId: FileId): Promise<Upload> {
    const { namespace } = this.#options;
    const row = await namespace.store.get(keys.upload(fileId));
    if (row === undefined) throw unknownUpload();
    const record = decodeJson<UploadRecord>(row.value);
    if (record.owner !== access.principal.spiffeId) throw unknownUpload();
    const { modRevision, createRevision } = row;
    return { fileId, record, modRevision, createRevision };
  }

  async #checkTarget(path: MeshPath, ifMatch: string | undefined): Promise<void> {
    if (path.names.length === 0) throw isDirectoryError(path);
    const { directories, store } = this.#options.namespace;
    const parent = await directories.parent(parentOf(path));
    const found = await loadEntry(store, keys.entry(parent.id, nameOf(path)));
    checkIfMatch(path, ifMatch, found?.record);
    if (found?.record.kind === "directory") throw isDirectoryError(path);
  }

  #checkStorage(): void {
    const rule = this.#options.rule();
    const { layout, acks, online } = rule;
    const needed = acksNeeded(layout, acks);
    const there = layout.nodes.filter((node) => online.includes(node.nodeId)).length;
    if (needed === 0 || there < needed) throw noStorage(rule);
  }

  async #checkRepeated(input: SegmentInput): Promise<void> {
    const { store } = this.#options.namespace;
    const row = await store.get(keys.segment(input.fileId, input.segment));
    const ids = row === undefined ? [] : decodeSegment(row.value);
    const same =
      ids.length === input.chunks.length && input.chunks.every((chunk, at) => chunk.id === ids[at]);
    if (!same) throw badUpload(`segment ${input.segment} was already sent with other parts`);
  }

  async #writeSegment(
    upload: Upload,
    input: SegmentInput,
    sizeBytes: number,
  ): Promise<Attempt<void>> {
    const { namespace } = this.#options;
    const { fileId, record } = upload;
    const claim: ChunkClaim = { ...input, firstIndex: record.chunks };
    const rows = await this.#chunkRows(upload, claim);
    const after: UploadRecord = {
      ...record,
      segments: record.segments + 1,
      chunks: record.chunks + input.chunks.length,
      sizeBytes: record.sizeBytes + sizeBytes,
    };
    const ids = input.chunks.map((chunk) => chunk.id);
    const key = keys.upload(fileId);
    const result = await namespace.store.transact({
      compare: [expectRevision(key, upload.modRevision)],
      success: [
        put(key, encodeJson(after)),
        put(keys.segment(fileId, input.segment), encodeSegment(ids)),
        ...rows,
      ],
    });
    if (!result.succeeded) return "again";
    namespace.quotas.grew(fileId, record.owner, sizeBytes);
    return { done: undefined };
  }

  async #link(upload: Upload, input: CommitInput): Promise<Entry | "again"> {
    const { namespace } = this.#options;
    const { fileId, record } = upload;
    const claim: ChunkClaim = { ...input, firstIndex: record.chunks };
    const rows = await this.#chunkRows(upload, claim);
    const ids = input.chunks.map((chunk) => chunk.id);
    const inEntry = record.segments === 0 && ids.length <= limits.ENTRY_CHUNKS_MAX;
    const hasTail = !inEntry && ids.length > 0;
    const nowMs = this.#options.clock.nowMs();
    const content = fileRecord(fileId, {
      sizeBytes: input.sizeBytes,
      chunkCount: record.chunks + ids.length,
      owner: record.owner,
      createdAtMs: nowMs,
      modifiedAtMs: nowMs,
      ...contentOf(inEntry, ids),
    });
    const operations: Operation[] = [
      remove(keys.upload(fileId)),
      ...(hasTail ? [put(keys.segment(fileId, record.segments), encodeSegment(ids))] : []),
      ...rows,
    ];
    try {
      return await linkFile(namespace, {
        path: parsePath(record.path),
        record: content,
        ifMatch: record.ifMatch,
        operations,
        guard: { key: keys.upload(fileId), modRevision: upload.modRevision },
        lost: () => new UploadMoved(),
      });
    } catch (error) {
      if (error instanceof UploadMoved) return "again";
      throw error;
    }
  }

  /** References and repair rows of chunks whose copies are proved. The chunks must be in use. */
  async #chunkRows(upload: Upload, claim: ChunkClaim): Promise<Operation[]> {
    const { condemned, calls, layouts, receiptKeys, onQueued } = this.#options;
    const rule = this.#options.rule();
    const proved = checkClaim(claim, rule, receiptKeys);
    const has = (nodeId: NodeId, id: StoredChunk["id"]) => calls.has(nodeId, id);
    const stored = await checkAgain(proved, upload.createRevision, { condemned, rule, has });
    const { fileId, record } = upload;
    const queued = queueOperations(layouts.placement, fileId, record.segments, stored);
    onQueued(queued.chunks);
    return [...referenceOperations(fileId, claim.firstIndex, claim.chunks), ...queued.operations];
  }
}

/** The upload's row changed between reading it and the transaction. */
class UploadMoved extends Error {}
