/**
 * The worker that looks at everything that the storage nodes have and the records do not know,
 * after the records went back in time, and puts it under `/lost+found` before the garbage collector
 * goes on. Nothing is deleted: of a file that is not whole, each chunk becomes a file of its own.
 *
 * A pass walks all chunks of the nodes that are there, asks for the heads of those without a row,
 * puts their files in place, and only then counts these nodes as looked at. Whatever breaks it off
 * leaves files that are in place, and the next pass finds the rest. A node that was away holds the
 * garbage collector again when it comes back, until its chunks were looked at too.
 *
 * What an upload of the time before had told in segments has rows already, without a file: it is
 * put together with the rest. Uploads that were begun since are left alone.
 */

import {
  type ChunkId,
  errorFields,
  type FileId,
  type Logger,
  limits,
  MeshError,
  type NodeId,
} from "@hearthmesh/core";
import { fileOfKey, keys } from "../coordinator/keys.js";
import type { NodeCalls } from "../coordinator/node-calls.js";
import type { NodeDirectory } from "../coordinator/node-directory.js";
import { decodeJson, decodeReference, type UploadRecord } from "../coordinator/records.js";
import { segmentsOf } from "../coordinator/segments.js";
import { pagesOf } from "../coordinator/store-helpers.js";
import { walkChunks } from "../coordinator/workers/chunk-walk.js";
import type { Progress, WorkerDefinition } from "../coordinator/workers/worker-definition.js";
import type { HoldBook } from "./hold-book.js";
import { LostFileWriter, type LostFileWriterOptions } from "./lost-file-writer.js";
import { groupLostChunks, type LostChunk, lostFileOf } from "./lost-files.js";

/** It is nothing to do while the records never went back. */
const LOOK_EVERY_MS = 2_000;
/** Chunks whose heads one request asks for: the node reads and verifies them. */
const HEADS_PER_REQUEST = 32;

export interface LostFoundOptions extends LostFileWriterOptions {
  readonly nodes: NodeDirectory;
  readonly calls: NodeCalls;
  readonly holds: HoldBook;
  readonly log: Logger;
}

export function lostFoundWorker(options: LostFoundOptions): WorkerDefinition {
  const finder = new LostFound(options);
  return {
    name: "lost-found",
    purpose: "keeps what the storage nodes have and older records do not know",
    intervalMs: LOOK_EVERY_MS,
    runsAtStart: true,
    run: (signal, progress) => finder.run(signal, progress),
  };
}

class LostFound {
  readonly #options: LostFoundOptions;
  readonly #writer: LostFileWriter;

  constructor(options: LostFoundOptions) {
    this.#options = options;
    this.#writer = new LostFileWriter(options);
  }

  async run(signal: AbortSignal, progress: Progress): Promise<void> {
    const { nodes, holds } = this.#options;
    const online = nodes.onlineStorage();
    // While no leader of the new epoch has begun, there is no record to write to.
    if (holds.record === undefined || !holds.isHeld(online)) return;
    let isAll = false;
    while (!isAll) {
      signal.throwIfAborted();
      isAll = await this.#pass(nodes.onlineStorage(), signal, progress);
    }
  }

  /** False when there was more than fits the memory: the rest is found by the next pass. */
  async #pass(
    online: readonly NodeId[],
    signal: AbortSignal,
    progress: Progress,
  ): Promise<boolean> {
    const { holds, nodes, log } = this.#options;
    const found = await this.#collect(online, signal, progress);
    let files = 0;
    let incomplete = 0;
    for (const file of groupLostChunks(found.chunks)) {
      signal.throwIfAborted();
      progress.at(file.fileId);
      if (!(await this.#writer.keep(file))) continue;
      if (file.isWhole) files++;
      else incomplete++;
      progress.done(1);
    }
    const still = nodes.onlineStorage();
    const looked = found.isAll
      ? online.filter((id) => found.looked.has(id) && still.includes(id))
      : [];
    await holds.scanned(looked, files, incomplete);
    if (files + incomplete > 0) {
      log.warn("files that the records did not know are under /lost+found", {
        count: files + incomplete,
      });
    }
    return found.isAll;
  }

  async #collect(online: readonly NodeId[], signal: AbortSignal, progress: Progress) {
    const { store } = this.#options.context;
    const { calls, log } = this.#options;
    const chunks: LostChunk[] = await this.#chunksOfUploads(signal);
    const uploads = new Set(chunks.map(({ fileId }) => fileId));
    let looked: ReadonlySet<NodeId> = new Set(online);
    let batch: { id: ChunkId; holders: ReadonlySet<NodeId> }[] = [];
    let isAll = true;
    const flush = async () => {
      const heads = await this.#heads(batch);
      chunks.push(...heads.filter(({ fileId }) => uploads.has(fileId) || !this.#isOpen(fileId)));
      await progress.pace(heads.reduce((sum, head) => sum + head.sizeBytes, 0));
      batch = [];
    };
    const walk = { store, calls, nodes: online, log, signal, pause: async () => undefined };
    for await (const chunk of walkChunks(walk)) {
      looked = chunk.looked;
      if (chunk.referenced) continue;
      batch.push(chunk);
      if (batch.length >= HEADS_PER_REQUEST) await flush();
      isAll = chunks.length < limits.LOST_CHUNKS_AT_A_TIME_MAX;
      if (!isAll) break;
    }
    await flush();
    return { chunks, looked, isAll };
  }

  /** Begun in this life of the records: it is nobody's loss. */
  #isOpen(fileId: LostChunk["fileId"]): boolean {
    const { open, holds } = this.#options;
    const revision = open.revisionOf(fileId);
    return (
      revision !== undefined && !(revision > 0 && revision <= (holds.record?.baseRevision ?? 0))
    );
  }

  /** The heads of these chunks, each from any of the nodes that have it. */
  async #heads(
    batch: readonly { id: ChunkId; holders: ReadonlySet<NodeId> }[],
  ): Promise<LostChunk[]> {
    const { calls, log } = this.#options;
    const heads = new Map<ChunkId, LostChunk>();
    for (const nodeId of new Set(batch.flatMap(({ holders }) => [...holders]))) {
      const wanted = batch.filter(({ id, holders }) => holders.has(nodeId) && !heads.has(id));
      if (wanted.length === 0) continue;
      try {
        const ids = wanted.map(({ id }) => id);
        for (const head of await calls.heads(nodeId, ids)) heads.set(head.id, head);
      } catch (error) {
        log.warn("a node did not say what its chunks belong to", { nodeId, ...errorFields(error) });
      }
    }
    if (heads.size === batch.length) return [...heads.values()];
    // Damaged ones have been dropped by now, so the next pass does not meet them again.
    throw new MeshError("MESH_UNREACHABLE", {
      message: `${batch.length - heads.size} chunks without a row could not be read from any node`,
    });
  }

  async #chunksTold(uploadId: FileId): Promise<Pick<LostChunk, "id" | "index" | "sizeBytes">[]> {
    const { store } = this.#options.context;
    const told: Pick<LostChunk, "id" | "index" | "sizeBytes">[] = [];
    for await (const ids of segmentsOf(store, uploadId)) {
      for (const id of ids) {
        const reference = await store.get(keys.reference(id, uploadId));
        if (reference === undefined) continue;
        const { sizeBytes } = decodeReference(reference.value);
        told.push({ id, index: told.length, sizeBytes });
      }
    }
    return told;
  }

  /** What uploads of the time before had told of in segments, as if their chunks had said it. */
  async #chunksOfUploads(signal: AbortSignal): Promise<LostChunk[]> {
    const { store } = this.#options.context;
    const base = this.#options.holds.record?.baseRevision ?? 0;
    const chunks: LostChunk[] = [];
    for await (const page of pagesOf(store, "u", { limit: limits.LIST_PAGE_ENTRIES_MAX, signal })) {
      for (const row of page) {
        const { path, owner, beganAtMs } = decodeJson<UploadRecord>(row.value);
        const ofRun = lostFileOf(path);
        if (row.createRevision > base && ofRun === undefined) continue;
        const uploadId = fileOfKey(row.key);
        const common = { fileId: ofRun ?? uploadId, owner, atMs: beganAtMs };
        for (const chunk of await this.#chunksTold(uploadId)) chunks.push({ ...common, ...chunk });
      }
    }
    return chunks;
  }
}
