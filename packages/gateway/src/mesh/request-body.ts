/**
 * The body of a caller's request on its way to a service. Its beginning is kept, so that it can be
 * sent once more when a service fails before it has answered. Nothing is read before somebody
 * wants it, and a service that is slow makes the caller wait.
 */
import type { IncomingMessage } from "node:http";
import { MeshError } from "@hearthmesh/core";
import { PROXY_REQUEST_BYTES_MAX, REPLAY_BYTES_MAX } from "./limits.js";

export interface BodySink {
  /** False: `resume` is called when it takes more. */
  write(bytes: Buffer): boolean;
  end(trailers: readonly string[]): void;
  fail(error: MeshError): void;
}

export class RequestBody {
  /** `none`, the number of bytes, or `chunked`. */
  readonly length: "none" | "chunked" | number;
  readonly #request: IncomingMessage;
  #kept: Buffer[] = [];
  #bytes = 0;
  #listening = false;
  #ended = false;
  #sink: BodySink | undefined;

  constructor(request: IncomingMessage) {
    this.#request = request;
    this.length = lengthOf(request);
    this.#ended = this.length === "none" || this.length === 0;
  }

  /** Every byte that was read is still here. */
  get canReplay(): boolean {
    return this.#bytes <= REPLAY_BYTES_MAX;
  }

  /** Sends what is kept, then what comes, to this one alone. */
  sendTo(sink: BodySink): void {
    this.#sink = sink;
    let takes = true;
    for (const piece of this.#kept) takes = sink.write(piece) && takes;
    if (this.#ended) {
      sink.end(this.#request.rawTrailers);
      return;
    }
    this.#listen();
    if (takes) this.#request.resume();
  }

  /** The sink takes bytes again. */
  resume(): void {
    if (this.#sink !== undefined && !this.#ended) this.#request.resume();
  }

  /** Nobody gets anything until the next `sendTo`. */
  detach(): void {
    this.#sink = undefined;
    if (this.#listening && !this.#ended) this.#request.pause();
  }

  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    this.#request.on("data", (piece: Buffer) => this.#onData(piece));
    this.#request.once("end", () => {
      this.#ended = true;
      this.#sink?.end(this.#request.rawTrailers);
    });
  }

  #onData(piece: Buffer): void {
    this.#bytes += piece.length;
    if (this.#bytes > PROXY_REQUEST_BYTES_MAX) {
      this.#sink?.fail(new MeshError("MESH_BODY_TOO_LARGE"));
      return;
    }
    if (this.canReplay) this.#kept.push(piece);
    else if (this.#kept.length > 0) this.#kept = [];
    if (this.#sink !== undefined && !this.#sink.write(piece)) this.#request.pause();
  }
}

function lengthOf({ headers }: IncomingMessage): "none" | "chunked" | number {
  if (headers["transfer-encoding"] !== undefined) return "chunked";
  const length = headers["content-length"];
  if (length === undefined) return "none";
  const bytes = Number(length);
  if (Number.isSafeInteger(bytes) && bytes >= 0 && bytes <= PROXY_REQUEST_BYTES_MAX) return bytes;
  throw new MeshError("MESH_BODY_TOO_LARGE");
}
