/**
 * Sends the chunks of one upload to one storage node, over one stream at a time.
 *
 * States: ready -> (chunk queued) -> opening -> sending -> ready, or -> paused after a failure ->
 * ready when the pause has passed. Invariants: chunks are sent in the order they were given; at a
 * failure every copy that is queued or in flight rejects, so that the upload can go elsewhere.
 */
import {
  type Clock,
  encodeMessage,
  fromWireError,
  isMeshError,
  type Logger,
  MeshError,
} from "@hearthmesh/core";
import type { ChunkPutItem, ChunkPutOpen } from "../protocol.js";
import type { NodeInfo } from "../types.js";
import type { NodeLinks } from "./ports.js";
import { type Copy, PutStream } from "./put-stream.js";
import type { UploadTicket } from "./upload-ticket.js";
import { deferred } from "./waiting.js";

const FIRST_PAUSE_MS = 1_000;
const PAUSE_MS_MAX = 30_000;
/** A node that the coordinator calls offline or full is not tried before this. */
const AWAY_PAUSE_MS = 5_000;

export interface NodeWriterOptions {
  node: NodeInfo;
  links: NodeLinks;
  ticket: UploadTicket;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
}

export class NodeWriter {
  readonly node: NodeInfo;
  readonly #options: NodeWriterOptions;
  readonly #queue: Copy[] = [];
  #stream: PutStream | undefined;
  /** Streams with an older ticket whose last answers are still out. */
  #finishing: PutStream[] = [];
  #pumping = false;
  #failures = 0;
  #pausedUntilMs = 0;
  #lastError: MeshError | undefined;

  constructor(options: NodeWriterOptions) {
    this.node = options.node;
    this.#options = options;
    const away = whyAway(options.node);
    if (away === undefined) return;
    this.#lastError = new MeshError("MESH_UNREACHABLE", { message: away });
    this.#pausedUntilMs = options.clock.monotonicMs() + AWAY_PAUSE_MS;
  }

  get usable(): boolean {
    return this.#options.clock.monotonicMs() >= this.#pausedUntilMs;
  }

  /** Why the node failed last, for the error that a person reads. */
  get lastError(): MeshError | undefined {
    return this.#lastError;
  }

  /** The node's receipt, once the chunk is on its disk. */
  put(item: ChunkPutItem, pieces: readonly Uint8Array[]): Promise<string> {
    const copy: Copy = { item, pieces, result: deferred<string>() };
    this.#queue.push(copy);
    void this.#pump();
    return copy.result.promise.then(
      (receipt) => {
        this.#failures = 0;
        return receipt;
      },
      (error: unknown) => {
        this.#note(error);
        throw error;
      },
    );
  }

  /** Gives up on everything that this node has not answered, and on the node for a while. */
  fail(error: MeshError): void {
    this.#pause(error);
    const streams = [this.#stream, ...this.#finishing];
    this.#stream = undefined;
    this.#finishing = [];
    for (const stream of streams) stream?.fail(error);
    for (const copy of this.#queue.splice(0)) copy.result.reject(error);
  }

  /** Nothing more will be put; what is in flight is answered as usual. */
  finish(): void {
    this.#finishing = this.#finishing.filter((stream) => stream.inFlightCount > 0);
    if (this.#stream === undefined) return;
    this.#finishing.push(this.#stream);
    this.#stream.finish();
    this.#stream = undefined;
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#queue.length > 0) {
      try {
        const stream = await this.#openStream();
        const copy = this.#queue.shift();
        if (copy !== undefined) await stream.send(copy).catch((error) => copy.result.reject(error));
      } catch (error) {
        this.fail(fromWireError(error));
      }
    }
    this.#pumping = false;
  }

  /** The present stream, or a new one when there is none or its ticket was replaced. */
  async #openStream(): Promise<PutStream> {
    const { links, ticket, clock, signal } = this.#options;
    if (this.#stream?.ticket === ticket.text) return this.#stream;
    this.finish();
    const text = ticket.text;
    const link = await links.linkTo(this.node, signal);
    const open: ChunkPutOpen = { ticket: text };
    const header = Buffer.concat(encodeMessage(open));
    const raw = await link.openStream("chunk.put", header, { signal, priority: "bulk" });
    const stream = new PutStream(raw, text, clock, (error) => {
      if (this.#stream === stream) this.fail(error);
    });
    this.#stream = stream;
    return stream;
  }

  #note(error: unknown): void {
    if (!isMeshError(error)) return;
    this.#lastError = error;
    if (error.code === "MESH_TICKET_INVALID" || error.code === "MESH_EPOCH_OLD") {
      this.#options.ticket.refused();
    }
    if (error.code === "MESH_DISK_FULL" || error.code === "MESH_DISK_FAILED") this.#pause(error);
  }

  #pause(error: MeshError): void {
    this.#lastError = error;
    if (!this.usable) return;
    const { clock, log } = this.#options;
    const pauseMs = Math.min(PAUSE_MS_MAX, FIRST_PAUSE_MS * 2 ** this.#failures);
    this.#failures++;
    this.#pausedUntilMs = clock.monotonicMs() + pauseMs;
    log.debug("storage node fails in an upload", {
      nodeName: this.node.name,
      code: error.code,
      reason: error.message,
      delayMs: pauseMs,
    });
  }
}

function whyAway(node: NodeInfo): string | undefined {
  if (node.state !== "online") return `it is ${node.state}`;
  const reason = node.storage?.readOnly;
  return reason === undefined ? undefined : `it takes no new chunks: ${reason}`;
}
