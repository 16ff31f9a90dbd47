/**
 * Tells the coordinator which chunks make the file, in order, while the upload goes on: in
 * segments, each sent as soon as its chunks are settled; what fills no segment goes into the
 * commit.
 */
import { isMeshError, limits } from "@hearthmesh/core";
import type { ChunkReceipt } from "../protocol.js";
import type { ChunkRef, Entry } from "../types.js";
import { Bell } from "./bell.js";
import type { FileCalls } from "./file-calls.js";
import { mayPass } from "./waiting.js";

/** A chunk as the manifest needs it. */
export interface WrittenChunk {
  readonly ref: ChunkRef;
  /** Of all nodes that have stored it. */
  readonly receipts: readonly ChunkReceipt[];
  /**
   * Resolves when enough copies are stored and the others were answered or given up: what the
   * coordinator is told then needs no repair unless a node failed.
   */
  readonly settled: Promise<void>;
}

/** Chunks that may wait for the coordinator before the upload stops reading its source. */
const CHUNKS_WAITING_MAX = 4 * limits.MANIFEST_SEGMENT_CHUNKS_MAX;

export interface ManifestWriterOptions {
  calls: FileCalls;
  path: string;
  fileId: Entry["fileId"];
  signal: AbortSignal;
  onFailed(error: unknown): void;
}

export class ManifestWriter {
  readonly #options: ManifestWriterOptions;
  readonly #waiting: WrittenChunk[] = [];
  readonly #changed = new Bell();
  #segments = 0;
  #sizeBytes = 0;
  #sending: Promise<void> = Promise.resolve();
  #failed = false;

  constructor(options: ManifestWriterOptions) {
    this.#options = options;
  }

  /** Resolves when there is room for more. */
  async add(chunk: WrittenChunk): Promise<void> {
    this.#waiting.push(chunk);
    this.#sizeBytes += chunk.ref.sizeBytes;
    if (this.#waiting.length >= limits.MANIFEST_SEGMENT_CHUNKS_MAX) this.#sendSegments();
    while (this.#waiting.length >= CHUNKS_WAITING_MAX && !this.#failed) await this.#changed.wait();
  }

  /** Waits for every chunk, then makes the file visible. */
  async commit(): Promise<Entry> {
    await this.#sending;
    const { fileId, signal, calls } = this.#options;
    const last = this.#waiting.splice(0);
    await Promise.all(last.map((chunk) => chunk.settled));
    const sizeBytes = this.#sizeBytes;
    const request = { fileId, sizeBytes, segments: this.#segments, ...manifestOf(last) };
    return this.#repeatCommit(() => calls.once("file.commit", request, { signal }));
  }

  /**
   * A commit whose answer was lost may have happened: then the upload is unknown, and the file at
   * the path is the one that was uploaded.
   */
  async #repeatCommit(commit: () => Promise<{ header: { entry: Entry } }>): Promise<Entry> {
    const { calls, path, fileId, signal } = this.#options;
    try {
      return (await commit()).header.entry;
    } catch (error) {
      if (!mayPass(error)) throw error;
    }
    const { header } = await calls.repeated("file.stat", { path }, { signal }).catch(absent);
    if (header.entry?.fileId === fileId) return header.entry;
    return (await commit()).header.entry;
  }

  /** Sends the segments that are full, one after the other, in the background. */
  #sendSegments(): void {
    this.#sending = this.#sending
      .then(() => this.#sendFullSegments())
      .catch((error: unknown) => {
        this.#failed = true;
        this.#options.onFailed(error);
        throw error;
      })
      .finally(() => this.#changed.ring());
    // `commit` waits for it and throws its error; until then nobody may be listening.
    this.#sending.catch(() => undefined);
  }

  async #sendFullSegments(): Promise<void> {
    while (this.#waiting.length >= limits.MANIFEST_SEGMENT_CHUNKS_MAX) {
      const chunks = this.#waiting.slice(0, limits.MANIFEST_SEGMENT_CHUNKS_MAX);
      await Promise.all(chunks.map((chunk) => chunk.settled));
      await this.#sendSegment(chunks);
      this.#waiting.splice(0, chunks.length);
      this.#changed.ring();
    }
  }

  async #sendSegment(chunks: readonly WrittenChunk[]): Promise<void> {
    const { fileId, signal, calls } = this.#options;
    const request = { fileId, segment: this.#segments, ...manifestOf(chunks) };
    await calls.repeated("file.segment", request, { signal });
    this.#segments++;
  }
}

function manifestOf(chunks: readonly WrittenChunk[]) {
  return {
    chunks: chunks.map((chunk) => chunk.ref),
    receipts: chunks.flatMap((chunk) => chunk.receipts),
  };
}

function absent(error: unknown): { header: { entry: Entry | undefined } } {
  if (isMeshError(error, "MESH_PATH_NOT_FOUND") || isMeshError(error, "MESH_PARENT_MISSING")) {
    return { header: { entry: undefined } };
  }
  throw error;
}
