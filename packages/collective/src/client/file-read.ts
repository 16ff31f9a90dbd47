/**
 * Reads the chunks of one file in order, several at a time from several nodes.
 *
 * The manifest comes in pages of `MANIFEST_SEGMENT_CHUNKS_MAX` chunks; the next page is fetched
 * while this one is read. The chunks of a page are spread over their replicas, one stream for each
 * node. A chunk that a node cannot give is fetched from the next one. Invariants: at most
 * `READ_AHEAD_CHUNKS_MAX` chunks are in memory; no byte is handed over whose hash was not checked;
 * when the consumer stops, every stream is reset. Errors: `MESH_CHUNK_UNAVAILABLE` naming the part
 * and what each node said; `MESH_PATH_CHANGED` when the file was replaced in the meantime.
 */
import {
  type Clock,
  isMeshError,
  type Logger,
  limits,
  MeshError,
  type NodeId,
  sleep,
} from "@hearthmesh/core";
import type { FileOpenResponse } from "../protocol.js";
import { chunkIdOf } from "../storage/blake3.js";
import type { ChunkRef, NodeInfo, SignedTicket } from "../types.js";
import { fetchChunks } from "./chunk-fetch.js";
import { DamageReports } from "./damage-reports.js";
import { checkAnswer, type FileCalls } from "./file-calls.js";
import type { NodeLinks } from "./ports.js";
import { readOrder, spreadReads } from "./read-order.js";
import { ReadPage } from "./read-page.js";
import { ReadWindow } from "./read-window.js";
import { type Deferred, deferred, newStop, reasonOf, withSignal } from "./waiting.js";

/** Chunks that may be read before they are asked for. */
const READ_AHEAD_CHUNKS_MAX = limits.TRANSFER_CHUNKS_IN_FLIGHT_MAX;
const PAGE_CHUNKS = limits.MANIFEST_SEGMENT_CHUNKS_MAX;
/** A node that failed is asked last for this long. */
const FAILING_MS = 5_000;
/** Before all nodes are asked once more for a chunk that none gave. */
const ROUND_PAUSE_MS = 500;

export interface FileReadOptions {
  path: string;
  first: FileOpenResponse;
  /** Last chunk that is wanted. */
  lastChunk: number;
  calls: FileCalls;
  links: NodeLinks;
  self: NodeId;
  clock: Clock;
  log: Logger;
  signal?: AbortSignal | undefined;
}

interface Slot {
  readonly index: number;
  readonly ref: ChunkRef;
  readonly page: ReadPage;
  readonly result: Deferred<readonly Uint8Array[]>;
  readonly reasons: Map<string, string>;
}

export class FileRead {
  readonly #options: FileReadOptions;
  readonly #stop = newStop();
  readonly #window: ReadWindow;
  readonly #slots = new Map<number, Slot>();
  readonly #pages = new Map<number, Promise<void>>();
  readonly #failedAtMs = new Map<NodeId, number>();
  readonly #firstChunk: number;
  readonly #damage: DamageReports;

  constructor(options: FileReadOptions) {
    this.#options = options;
    this.#damage = new DamageReports(options);
    this.#firstChunk = options.first.firstChunk;
    this.#window = new ReadWindow(this.#firstChunk, READ_AHEAD_CHUNKS_MAX, this.#stop.signal);
  }

  /**
   * The chunks from `first.firstChunk` to `lastChunk`, whole, each as its pieces. To be iterated
   * once.
   */
  async *chunks(): AsyncGenerator<readonly Uint8Array[], void, undefined> {
    const { signal, lastChunk } = this.#options;
    const onAbort = () => this.#stop.abort(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      signal?.throwIfAborted();
      for (let index = this.#firstChunk; index <= lastChunk; index++) {
        const slot = await this.#slotOf(index);
        const pieces = await withSignal(slot.result.promise, this.#stop.signal);
        this.#slots.delete(index);
        this.#window.advance(index + 1);
        yield pieces;
      }
    } finally {
      signal?.removeEventListener("abort", onAbort);
      this.#stop.abort(new MeshError("MESH_CANCELLED", { message: "the reading has ended" }));
      await this.#damage.settled();
    }
  }

  async #slotOf(index: number): Promise<Slot> {
    const page = Math.floor((index - this.#firstChunk) / PAGE_CHUNKS);
    await withSignal(this.#loadPage(page), this.#stop.signal);
    const isSecondHalf = (index - this.#firstChunk) % PAGE_CHUNKS >= PAGE_CHUNKS / 2;
    if (isSecondHalf && this.#firstOf(page + 1) <= this.#options.lastChunk) {
      void this.#loadPage(page + 1);
    }
    const slot = this.#slots.get(index);
    if (slot === undefined) throw new MeshError("MESH_INTERNAL", { message: "a chunk got lost" });
    return slot;
  }

  #firstOf(page: number): number {
    return this.#firstChunk + page * PAGE_CHUNKS;
  }

  #loadPage(page: number): Promise<void> {
    let loading = this.#pages.get(page);
    if (loading === undefined) {
      loading = this.#openPage(page);
      loading.catch(() => undefined);
      this.#pages.delete(page - 2);
      this.#pages.set(page, loading);
    }
    return loading;
  }

  async #openPage(number: number): Promise<void> {
    const { path, first, lastChunk, calls, clock } = this.#options;
    const firstChunk = this.#firstOf(number);
    const chunks = Math.min(PAGE_CHUNKS, lastChunk - firstChunk + 1);
    const request = { path, firstChunk, chunks, etag: first.entry.etag };
    const signal = this.#stop.signal;
    const open = async () => (await calls.repeated("file.open", request, { signal })).header;
    const answer = number === 0 ? first : await open();
    checkAnswer(
      answer.firstChunk === firstChunk && answer.chunks.length >= chunks,
      "names other chunks than were asked for",
    );
    const page = new ReadPage(answer, open, clock);
    const slots = answer.chunks.slice(0, chunks).map((ref, at): Slot => {
      const index = firstChunk + at;
      return { index, ref, page, result: deferred<readonly Uint8Array[]>(), reasons: new Map() };
    });
    for (const slot of slots) this.#slots.set(slot.index, slot);
    const batches = spreadReads(this.#view(page), slots);
    const assigned = new Set([...batches.values()].flat());
    for (const [node, batch] of batches) void this.#runBatch(page, node, batch);
    for (const slot of slots) if (!assigned.has(slot)) void this.#fetchElsewhere(slot);
  }

  #view(page: ReadPage) {
    const sinceMs = this.#options.clock.monotonicMs() - FAILING_MS;
    const failing = [...this.#failedAtMs].filter(([, atMs]) => atMs >= sinceMs).map(([id]) => id);
    const { placement, nodes } = page;
    return { placement, nodes, failing: new Set(failing), self: this.#options.self };
  }

  /** Reads a node's share of a page over one stream; what it cannot give is fetched elsewhere. */
  async #runBatch(page: ReadPage, node: NodeInfo, batch: readonly Slot[]): Promise<void> {
    const left = [...batch];
    try {
      const [first] = batch;
      if (first !== undefined) await this.#window.admit(first.index);
      const ticket = await page.ticket();
      const answers = this.#fetch(page, node, batch, ticket);
      try {
        for (const slot of batch) {
          await this.#window.admit(slot.index);
          const answer = await answers.next();
          if (answer.done === true) return;
          left.shift();
          if ("pieces" in answer.value) slot.result.resolve(answer.value.pieces);
          else {
            this.#refused(slot, node, ticket, answer.value.error);
            void this.#fetchElsewhere(slot);
          }
        }
      } finally {
        answers.return().catch(() => undefined);
      }
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.#noteFailure(node, error);
      for (const slot of left) {
        slot.reasons.set(node.name, reasonOf(error));
        void this.#fetchElsewhere(slot);
      }
    }
  }

  #fetch(page: ReadPage, node: NodeInfo, slots: readonly Slot[], ticket: SignedTicket) {
    const { links, clock } = this.#options;
    const refs = slots.map((slot) => slot.ref);
    const onTicketRefused = () => page.refused(ticket);
    const options = { links, node, ticket, clock, signal: this.#stop.signal, onTicketRefused };
    return fetchChunks(options, refs);
  }

  #refused(slot: Slot, node: NodeInfo, ticket: SignedTicket, error: MeshError): void {
    slot.reasons.set(node.name, error.message);
    if (isMeshError(error, "MESH_CHUNK_MISMATCH")) {
      this.#damage.add(ticket, node.nodeId, slot.ref.id);
    }
  }

  /** Asks one node after the other for a single chunk, twice round. */
  async #fetchElsewhere(slot: Slot): Promise<void> {
    try {
      await this.#window.admit(slot.index);
      for (let round = 0; round < 2; round++) {
        if (round > 0) await sleep(this.#options.clock, ROUND_PAUSE_MS, this.#stop.signal);
        for (const node of readOrder(this.#view(slot.page), slot.ref)) {
          if (round === 0 && slot.reasons.has(node.name)) continue;
          const pieces = await this.#fetchFrom(node, slot);
          if (pieces !== undefined) return slot.result.resolve(pieces);
        }
      }
      const recalled = await this.#recall(slot);
      if (recalled === undefined) slot.result.reject(this.#unavailable(slot));
      else slot.result.resolve(recalled);
    } catch (error) {
      slot.result.reject(error);
    }
  }

  async #fetchFrom(node: NodeInfo, slot: Slot): Promise<readonly Uint8Array[] | undefined> {
    const ticket = await slot.page.ticket();
    const answers = this.#fetch(slot.page, node, [slot], ticket);
    try {
      const answer = await answers.next();
      if (answer.done === true) return undefined;
      if ("pieces" in answer.value) return answer.value.pieces;
      this.#refused(slot, node, ticket, answer.value.error);
    } catch (error) {
      this.#stop.signal.throwIfAborted();
      slot.reasons.set(node.name, reasonOf(error));
      this.#noteFailure(node, error);
    } finally {
      answers.return().catch(() => undefined);
    }
    return undefined;
  }

  /** What no node of the member gave may be in a sealed copy at a friend of the member. */
  async #recall({ index, ref, reasons }: Slot): Promise<readonly Uint8Array[] | undefined> {
    const { path, first, calls } = this.#options;
    const { etag } = first.entry;
    const { signal } = this.#stop;
    const pieces: Uint8Array[] = [];
    try {
      for (let offset = 0; offset < ref.sizeBytes; offset += limits.RECALL_BYTES_MAX) {
        const request = { path, etag, chunk: index, offset };
        pieces.push((await calls.repeated("file.recall", request, { signal })).body);
      }
      if (chunkIdOf(pieces) === ref.id) return pieces;
      reasons.set("friends", "the copy there is damaged");
    } catch (error) {
      this.#stop.signal.throwIfAborted();
      reasons.set("friends", reasonOf(error));
    }
    return undefined;
  }

  #noteFailure(node: NodeInfo, error: unknown): void {
    this.#failedAtMs.set(node.nodeId, this.#options.clock.monotonicMs());
    this.#options.log.debug("storage node fails in a reading", {
      nodeName: node.name,
      path: this.#options.path,
      reason: reasonOf(error),
    });
  }

  #unavailable(slot: Slot): MeshError {
    const { path, first } = this.#options;
    const nodes = [...slot.reasons].map(([name, reason]) => ({ name, reason }));
    const list = nodes.map((node) => `${node.name}: ${node.reason}`).join("; ");
    const start = slot.index * first.chunkBytes;
    const part = `bytes ${start} to ${start + slot.ref.sizeBytes - 1} of ${path}`;
    return new MeshError("MESH_CHUNK_UNAVAILABLE", {
      message: `no node gave a good copy of ${part} (${list || "no node is known"})`,
      details: { path, chunkIndex: slot.index, chunkId: slot.ref.id, nodes },
    });
  }
}
