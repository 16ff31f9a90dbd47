/**
 * Writes one file that is larger than `SMALL_FILE_BYTES_MAX`: cuts it, sends every chunk straight
 * to its storage nodes, and makes it visible at the end.
 *
 * States of a chunk: sending -> safe (enough copies are on disk) -> settled (every copy was
 * answered or given up). Invariants: at most `UPLOAD_CHUNKS_HELD_MAX` chunks are in memory; the
 * manifest holds a chunk only when it is safe; nothing is visible before the commit. A node that
 * fails or falls behind is left out for a while: the chunks that need it go to the next node in
 * placement order, the others are completed by repair. Errors: `MESH_NO_STORAGE` with what each
 * node said; whatever the coordinator refuses. At any error the upload is aborted, so that its
 * chunks are collected.
 */
import {
  type Clock,
  isMeshError,
  type Logger,
  limits,
  MeshError,
  type NodeId,
} from "@hearthmesh/core";
import type { FileBeginResponse } from "../protocol.js";
import { chunkIdOf } from "../storage/blake3.js";
import { Placement } from "../storage/placement.js";
import type { Entry } from "../types.js";
import { Bell } from "./bell.js";
import { ChunkWrite } from "./chunk-write.js";
import { type CutChunk, cutChunks } from "./cut-chunks.js";
import type { FileCalls } from "./file-calls.js";
import { ManifestWriter } from "./manifest-writer.js";
import { NodeWriter } from "./node-writer.js";
import type { NodeLinks } from "./ports.js";
import { UploadTicket } from "./upload-ticket.js";
import { newStop, withSignal, withTimeout } from "./waiting.js";

/** Chunks of one upload in memory: enough to keep three nodes busy while one of them syncs. */
const UPLOAD_CHUNKS_HELD_MAX = 3 * limits.TRANSFER_CHUNKS_IN_FLIGHT_MAX;
/** How long a node may hold up an upload that is safe without it. */
const PATIENCE_MS_MIN = 250;
/** Such a node may also take this many times as long as a chunk usually needs. */
const PATIENCE_FACTOR = 2;
/** A chunk may be unsettled while so many later ones are sent: one segment. */
const CHUNKS_BEHIND_MAX = limits.MANIFEST_SEGMENT_CHUNKS_MAX;
const ABORT_TIMEOUT_MS = 2_000;

export interface WriteProgress {
  /** Bytes that are safe on enough nodes. */
  readonly bytesSafe: number;
}

export interface UploadOptions {
  path: string;
  begun: FileBeginResponse;
  source: AsyncIterable<Uint8Array>;
  calls: FileCalls;
  links: NodeLinks;
  clock: Clock;
  log: Logger;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: WriteProgress) => void) | undefined;
}

export class Upload {
  readonly #options: UploadOptions;
  readonly #stop = newStop();
  readonly #ticket: UploadTicket;
  readonly #manifest: ManifestWriter;
  readonly #writers = new Map<NodeId, NodeWriter>();
  readonly #held = new Set<ChunkWrite>();
  readonly #changed = new Bell();
  #placement: Placement;
  #chunksBegun = 0;
  #bytesSafe = 0;
  #usualMs = 0;

  constructor(options: UploadOptions) {
    const { begun, calls, clock, path } = options;
    this.#options = options;
    this.#placement = new Placement(begun.layout);
    const signal = this.#stop.signal;
    this.#ticket = new UploadTicket(
      begun,
      async () =>
        (await calls.repeated("file.ticket", { fileId: begun.fileId }, { signal })).header,
      clock,
    );
    this.#manifest = new ManifestWriter({
      calls,
      path,
      fileId: begun.fileId,
      signal,
      onFailed: (error) => this.#fail(error),
    });
  }

  async run(): Promise<Entry> {
    const outer = this.#options.signal;
    const onAbort = () => this.#fail(outer?.reason);
    outer?.addEventListener("abort", onAbort, { once: true });
    try {
      outer?.throwIfAborted();
      await this.#sendAll();
      await this.#waitForRoom(1);
      const entry = await withSignal(this.#manifest.commit(), this.#stop.signal);
      for (const writer of this.#writers.values()) writer.finish();
      return entry;
    } catch (error) {
      this.#fail(error);
      await this.#abort();
      throw this.#stop.signal.reason;
    } finally {
      outer?.removeEventListener("abort", onAbort);
    }
  }

  async #sendAll(): Promise<void> {
    const { begun, source } = this.#options;
    const chunks = cutChunks(source, begun.chunkBytes);
    let index = 0;
    try {
      for (;;) {
        await this.#waitForRoom(UPLOAD_CHUNKS_HELD_MAX);
        const next = await withSignal(chunks.next(), this.#stop.signal);
        if (next.done === true) return;
        await this.#sendChunk(index++, next.value);
      }
    } finally {
      // A source that stands still would hold up its own end; it is told and not waited for.
      chunks.return().catch(() => undefined);
    }
  }

  async #sendChunk(index: number, cut: CutChunk): Promise<void> {
    await this.#ticket.keepFresh();
    if (this.#placement.layout !== this.#ticket.layout) {
      this.#placement = new Placement(this.#ticket.layout);
    }
    const id = chunkIdOf(cut.pieces);
    const { clock } = this.#options;
    const chunk = new ChunkWrite({
      item: { index, id, sizeBytes: cut.sizeBytes },
      pieces: cut.pieces,
      placement: this.#placement,
      acksNeeded: this.#ticket.acksNeeded,
      writerOf: (nodeId) => this.#writerOf(nodeId),
      keepFresh: () => this.#ticket.keepFresh(),
      clock,
      signal: this.#stop.signal,
    });
    this.#held.add(chunk);
    const startedMs = clock.monotonicMs();
    const safe = chunk.run().then(() => this.#noteSafe(cut.sizeBytes, startedMs));
    safe.catch((error: unknown) => this.#fail(error));
    const settled = Promise.all([safe, chunk.settled()]).then(() => undefined);
    // Its failure is that of `safe`, which has ended the upload by then.
    settled.catch(() => undefined);
    void chunk.settled().then(() => {
      this.#held.delete(chunk);
      this.#changed.ring();
    });
    this.#chunksBegun = index + 1;
    const ref = { id, sizeBytes: cut.sizeBytes };
    await this.#manifest.add({ ref, receipts: chunk.receipts, settled });
  }

  #noteSafe(sizeBytes: number, startedMs: number): void {
    const tookMs = this.#options.clock.monotonicMs() - startedMs;
    this.#usualMs = this.#usualMs === 0 ? tookMs : this.#usualMs * 0.8 + tookMs * 0.2;
    this.#bytesSafe += sizeBytes;
    this.#options.onProgress?.({ bytesSafe: this.#bytesSafe });
    this.#changed.ring();
  }

  /**
   * Resolves when fewer than `limit` chunks are held and none lies far back. A node that keeps back
   * chunks which are safe without it is waited for only while it makes progress.
   */
  async #waitForRoom(limit: number): Promise<void> {
    while (this.#held.size >= limit || this.#lagsFar()) {
      this.#stop.signal.throwIfAborted();
      const laggard = this.#laggard();
      if (laggard === undefined) {
        await this.#changed.wait();
        continue;
      }
      const patienceMs = Math.max(PATIENCE_MS_MIN, this.#usualMs * PATIENCE_FACTOR);
      if (await this.#changed.waitFor(this.#options.clock, patienceMs)) continue;
      const message = "it falls behind the others; repair completes its copies";
      laggard.fail(new MeshError("MESH_TIMEOUT", { message }));
    }
    this.#stop.signal.throwIfAborted();
  }

  /** One copy that does not come must not hold back the manifest for ever. */
  #lagsFar(): boolean {
    const [oldest] = this.#held;
    return oldest !== undefined && this.#chunksBegun - oldest.index > CHUNKS_BEHIND_MAX;
  }

  /**
   * A node that the oldest safe chunk still waits for; nobody while a chunk before it is not safe.
   */
  #laggard(): NodeWriter | undefined {
    for (const chunk of this.#held) {
      if (!chunk.isSafe) return undefined;
      const [nodeId] = chunk.waitsFor();
      if (nodeId !== undefined) return this.#writers.get(nodeId);
    }
    return undefined;
  }

  #writerOf(nodeId: NodeId): NodeWriter | undefined {
    const known = this.#writers.get(nodeId);
    if (known !== undefined) return known;
    const node = this.#ticket.node(nodeId);
    if (node === undefined) return undefined;
    const { links, clock, log } = this.#options;
    const ticket = this.#ticket;
    const signal = this.#stop.signal;
    const writer = new NodeWriter({ node, links, ticket, clock, log, signal });
    this.#writers.set(nodeId, writer);
    return writer;
  }

  #fail(error: unknown): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort(error);
    const reason = isMeshError(error) ? error : new MeshError("MESH_CANCELLED", { cause: error });
    for (const writer of this.#writers.values()) writer.fail(reason);
    this.#changed.ring();
  }

  async #abort(): Promise<void> {
    const { calls, begun, clock } = this.#options;
    const { fileId } = begun;
    await withTimeout(clock, ABORT_TIMEOUT_MS, undefined, (signal) =>
      calls.once("file.abort", { fileId }, { signal }),
    ).catch(() => undefined);
  }
}
