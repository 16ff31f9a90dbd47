/**
 * Files as a person or program uses them: the coordinator knows names, grants and manifests; the
 * bytes go straight between this client and the storage nodes.
 */
import { limits, MeshError } from "@hearthmesh/core";
import type { FileListResponse, FileOpenResponse } from "../protocol.js";
import type { Entry } from "../types.js";
import { type PeekedSource, peekSource } from "./cut-chunks.js";
import { checkAnswer, FileCalls } from "./file-calls.js";
import { FileRead } from "./file-read.js";
import { listPages } from "./list-pages.js";
import type { FileClientOptions } from "./ports.js";
import { Upload, type WriteProgress } from "./upload.js";

export interface WriteOptions {
  /** The present etag must be this; `*` any file, `""` none: else `MESH_PATH_CHANGED`. */
  ifMatch?: string;
  onProgress?(progress: WriteProgress): void;
  signal?: AbortSignal;
}

export interface ReadOptions {
  /** First byte; default 0. */
  start?: number;
  /** Last byte; default the end, which is also the most. */
  endInclusive?: number;
  signal?: AbortSignal;
}

export interface RemoveOptions {
  /** Directories with all that is in them. */
  recursive?: boolean;
  /** It does not go to the trash. */
  permanent?: boolean;
  ifMatch?: string;
  signal?: AbortSignal;
}

export interface PageOptions {
  /** The name after which the page begins. */
  after?: string;
  limit?: number;
  signal?: AbortSignal;
}

/** An open file. Its bytes are fetched when, and as fast as, the stream is iterated (once). */
export interface OpenFile {
  readonly entry: Entry;
  readonly stream: AsyncIterable<Uint8Array>;
}

export class FileClient {
  readonly #options: FileClientOptions;
  readonly #calls: FileCalls;

  constructor(options: FileClientOptions) {
    this.#options = options;
    const { coordinator, clock, random, repeatWithinMs } = options;
    this.#calls = new FileCalls(coordinator, clock, random, repeatWithinMs);
  }

  /**
   * Writes the whole source to the path, replacing a file that is there when `ifMatch` allows it.
   * Returns when every byte is safe; until then readers see the old file. Needs memory for some
   * `UPLOAD_CHUNKS_HELD_MAX` chunks, however long the source is. The source must not change pieces
   * that it gave.
   */
  async write(
    path: string,
    source: AsyncIterable<Uint8Array>,
    options: WriteOptions = {},
  ): Promise<Entry> {
    const peeked = await peekSource(source, limits.SMALL_FILE_BYTES_MAX);
    try {
      const sizeBytes = peeked.head.reduce((sum, piece) => sum + piece.length, 0);
      const small = peeked.ended && sizeBytes <= limits.SMALL_FILE_BYTES_MAX;
      return small
        ? await this.#writeSmall(path, peeked.head, options)
        : await this.#writeLarge(path, peeked, options);
    } finally {
      peeked.close().catch(() => undefined);
    }
  }

  async read(path: string, options: ReadOptions = {}): Promise<OpenFile> {
    const start = options.start ?? 0;
    const { signal } = options;
    const end = options.endInclusive;
    const valid = isOffset(start) && (end === undefined || (isOffset(end) && end >= start));
    if (!valid) throw rangeInvalid("the range is not of the form first-last");
    let opened = await this.#open(path, start, end, limits.CHUNK_BYTES_MAX, signal);
    const { chunkBytes } = opened.header;
    checkAnswer(chunkBytes > 0 && chunkBytes <= limits.CHUNK_BYTES_MAX, "has bad chunk sizes");
    if (chunkBytes !== limits.CHUNK_BYTES_MAX && !opened.header.inline) {
      opened = await this.#open(path, start, end, chunkBytes, signal);
    }
    const { entry } = opened.header;
    if (start > 0 && start >= entry.sizeBytes) {
      throw rangeInvalid(`the file has ${entry.sizeBytes} bytes`);
    }
    const endExclusive = Math.min(entry.sizeBytes, (end ?? Number.POSITIVE_INFINITY) + 1);
    if (opened.header.inline) {
      return { entry, stream: onePiece(opened.body.subarray(start, endExclusive)) };
    }
    return { entry, stream: this.#stream(path, opened.header, start, endExclusive, signal) };
  }

  async stat(path: string, signal?: AbortSignal): Promise<Entry> {
    return (await this.#calls.repeated("file.stat", { path }, { signal })).header.entry;
  }

  /** The entries of a directory by name, fetched page by page, one page ahead. */
  async *list(path: string, signal?: AbortSignal): AsyncGenerator<Entry, void, undefined> {
    const ask = (question: PageOptions) => this.listPage(path, question);
    for await (const entries of listPages(ask, signal)) yield* entries;
  }

  /** One page of a directory: the entries after a name. It may be shorter than was asked. */
  async listPage(path: string, options: PageOptions = {}): Promise<FileListResponse> {
    const { after, limit = limits.LIST_PAGE_ENTRIES_MAX, signal } = options;
    const request = after === undefined ? { path, limit } : { path, limit, after };
    return (await this.#calls.repeated("file.list", request, { signal })).header;
  }

  async makeDirectory(
    path: string,
    options: { parents?: boolean; signal?: AbortSignal } = {},
  ): Promise<void> {
    const request = { path, parents: options.parents ?? false };
    await this.#calls.once("file.mkdir", request, { signal: options.signal });
  }

  async move(
    from: string,
    to: string,
    options: { overwrite?: boolean; signal?: AbortSignal } = {},
  ): Promise<void> {
    const request = { from, to, overwrite: options.overwrite ?? false };
    await this.#calls.once("file.move", request, { signal: options.signal });
  }

  /** How many were removed, as the coordinator counts: a directory with all in it may be one. */
  async remove(path: string, options: RemoveOptions = {}): Promise<number> {
    const { ifMatch, signal, recursive = false, permanent = false } = options;
    const request = { path, recursive, permanent };
    const answer = await this.#calls.once(
      "file.remove",
      ifMatch === undefined ? request : { ...request, ifMatch },
      { signal },
    );
    return answer.header.removed;
  }

  async #writeSmall(
    path: string,
    head: readonly Uint8Array[],
    options: WriteOptions,
  ): Promise<Entry> {
    const { ifMatch, signal } = options;
    const body = Buffer.concat(head);
    const request = ifMatch === undefined ? { path } : { path, ifMatch };
    // A put that is repeated writes the same bytes again; with a condition it could fail on itself.
    const answer =
      ifMatch === undefined
        ? await this.#calls.repeated("file.put", request, { body, signal })
        : await this.#calls.once("file.put", request, { body, signal });
    options.onProgress?.({ bytesSafe: body.length });
    return answer.header.entry;
  }

  async #writeLarge(path: string, peeked: PeekedSource, options: WriteOptions): Promise<Entry> {
    const { ifMatch, signal, onProgress } = options;
    const request = ifMatch === undefined ? { path } : { path, ifMatch };
    const begun = (await this.#calls.repeated("file.begin", request, { signal })).header;
    const { chunkBytes } = begun;
    checkAnswer(chunkBytes > 0 && chunkBytes <= limits.CHUNK_BYTES_MAX, "has bad chunk sizes");
    const { links, clock, log } = this.#options;
    const upload = new Upload({
      path,
      begun,
      source: peeked.rest,
      calls: this.#calls,
      links,
      clock,
      log,
      signal,
      onProgress,
    });
    return upload.run();
  }

  #open(
    path: string,
    start: number,
    endInclusive: number | undefined,
    chunkBytes: number,
    signal: AbortSignal | undefined,
  ): Promise<{ header: FileOpenResponse; body: Uint8Array }> {
    const firstChunk = Math.floor(start / chunkBytes);
    const wanted =
      endInclusive === undefined
        ? limits.MANIFEST_SEGMENT_CHUNKS_MAX
        : Math.floor(endInclusive / chunkBytes) - firstChunk + 1;
    const chunks = Math.min(limits.MANIFEST_SEGMENT_CHUNKS_MAX, wanted);
    return this.#calls.repeated("file.open", { path, firstChunk, chunks }, { signal });
  }

  async *#stream(
    path: string,
    first: FileOpenResponse,
    start: number,
    endExclusive: number,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    if (endExclusive <= start) return;
    const { links, self, clock, log } = this.#options;
    const lastChunk = Math.floor((endExclusive - 1) / first.chunkBytes);
    const calls = this.#calls;
    const read = new FileRead({ path, first, lastChunk, calls, links, self, clock, log, signal });
    let position = first.firstChunk * first.chunkBytes;
    for await (const pieces of read.chunks()) {
      for (const piece of pieces) {
        const from = Math.max(0, start - position);
        const to = Math.min(piece.length, endExclusive - position);
        position += piece.length;
        if (to > from) yield piece.subarray(from, to);
      }
    }
  }
}

async function* onePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  if (bytes.length > 0) yield bytes;
}

function isOffset(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function rangeInvalid(message: string): MeshError {
  return new MeshError("MESH_RANGE_INVALID", { message });
}
