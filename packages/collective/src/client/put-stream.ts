/**
 * One `chunk.put` stream: sends chunks, matches the answers to them by index.
 *
 * States: open -> finishing (no more chunks; answers still come) -> ended, or -> failed from
 * either. Invariants: at most `TRANSFER_CHUNKS_IN_FLIGHT_MAX` chunks are unanswered; every copy
 * that was sent is settled exactly once. Errors: a chunk that the node refused rejects with the
 * node's error; a stream that broke or stood still rejects everything in flight and calls
 * `onFailed` once.
 */
import {
  type Clock,
  fromErrorRecord,
  fromWireError,
  limits,
  MeshError,
  type Timer,
} from "@hearthmesh/core";
import type { LinkStream } from "@hearthmesh/qwormhole";
import { type ByteSink, readMessages, writeMessage } from "../message-stream.js";
import type { ChunkPutItem, ChunkPutResult } from "../protocol.js";
import type { SignedTicket } from "../types.js";
import { Bell } from "./bell.js";
import type { Deferred } from "./waiting.js";

/** A chunk on its way to one node. `result` gives the node's receipt. */
export interface Copy {
  readonly item: ChunkPutItem;
  readonly pieces: readonly Uint8Array[];
  readonly result: Deferred<string>;
}

/** Without any answer or credit for this long, the node is taken for stuck. */
const STALL_TIMEOUT_MS = 30_000;

export class PutStream {
  readonly ticket: SignedTicket;
  readonly #stream: LinkStream;
  readonly #sink: ByteSink;
  readonly #clock: Clock;
  readonly #onFailed: (error: MeshError) => void;
  readonly #inFlight = new Map<number, Copy>();
  readonly #room = new Bell();
  #stall: Timer | undefined;
  #finishing = false;
  #failure: MeshError | undefined;

  constructor(
    stream: LinkStream,
    ticket: SignedTicket,
    clock: Clock,
    onFailed: (error: MeshError) => void,
  ) {
    this.ticket = ticket;
    this.#stream = stream;
    this.#clock = clock;
    this.#onFailed = onFailed;
    this.#sink = {
      write: async (bytes) => {
        await stream.write(bytes);
        this.#watchProgress();
      },
    };
    void this.#readResults();
  }

  get inFlightCount(): number {
    return this.#inFlight.size;
  }

  /** Resolves when the chunk was handed to the link; its answer comes later. */
  async send(copy: Copy): Promise<void> {
    while (this.#inFlight.size >= limits.TRANSFER_CHUNKS_IN_FLIGHT_MAX) {
      if (this.#failure === undefined) await this.#room.wait();
      if (this.#failure !== undefined) throw this.#failure;
    }
    if (this.#failure !== undefined) throw this.#failure;
    this.#inFlight.set(copy.item.index, copy);
    this.#watchProgress();
    try {
      await writeMessage(this.#sink, copy.item, copy.pieces);
    } catch (error) {
      const failure = this.#failure ?? fromWireError(error);
      this.fail(failure);
      throw failure;
    }
  }

  /** No more chunks follow; the stream ends when all are answered. */
  finish(): void {
    this.#finishing = true;
    this.#endWhenAnswered();
  }

  fail(error: MeshError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#stall?.cancel();
    this.#stream.reset(error.code, "the client gave up this transfer");
    for (const copy of this.#inFlight.values()) copy.result.reject(error);
    this.#inFlight.clear();
    this.#room.ring();
    this.#onFailed(error);
  }

  async #readResults(): Promise<void> {
    try {
      for await (const { header } of readMessages<ChunkPutResult>(this.#stream.readable)) {
        this.#settle(header);
      }
      if (this.#failure !== undefined) return;
      if (!this.#finishing || this.#inFlight.size > 0) {
        this.fail(new MeshError("MESH_UNREACHABLE", { message: "the node ended the transfer" }));
      }
    } catch (error) {
      this.fail(fromWireError(error));
    }
  }

  #settle(result: ChunkPutResult): void {
    const copy = this.#inFlight.get(result.index);
    if (copy === undefined) return;
    this.#inFlight.delete(result.index);
    if (result.receipt !== undefined) copy.result.resolve(result.receipt);
    else copy.result.reject(fromErrorRecord(result.error));
    this.#watchProgress();
    this.#room.ring();
    this.#endWhenAnswered();
  }

  #endWhenAnswered(): void {
    if (this.#finishing && this.#inFlight.size === 0 && this.#failure === undefined) {
      this.#stall?.cancel();
      this.#stream.end();
    }
  }

  #watchProgress(): void {
    this.#stall?.cancel();
    if (this.#inFlight.size === 0 || this.#failure !== undefined) return;
    this.#stall = this.#clock.setTimeout(() => {
      const message = `the node answered nothing for ${STALL_TIMEOUT_MS / 1000} s`;
      this.fail(new MeshError("MESH_TIMEOUT", { message }));
    }, STALL_TIMEOUT_MS);
  }
}
