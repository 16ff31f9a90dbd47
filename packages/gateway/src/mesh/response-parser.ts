/**
 * Reads HTTP/1.1 answers off a connection (RFC 9112), without I/O. `expect` announces the next
 * answer, `push` takes bytes in any pieces, `finish` says that the connection has ended.
 *
 * States: `idle` (no answer is expected), `head`, `fixed` (a body of known length), `chunk-size`,
 * `chunk-data`, `chunk-end`, `trailers`, `until-close`, `raw` (after 101). An answer is delivered
 * as: any number of `onInterim`, one `onHead`, any number of `onBody`, perhaps `onTrailers`, one
 * `onEnd`; after a head of 101 everything is `onBody`.
 *
 * It is strict, because two readers that differ about where an answer ends can be played against
 * each other: lines end in CRLF, `Content-Length` is one number, it does not come together with
 * `Transfer-Encoding`, and the only transfer coding is `chunked`. Anything else throws
 * `MESH_PROTOCOL`, as does a head or line beyond its limit and a byte when none is expected; the
 * connection is of no use then.
 */
import { MeshError } from "@hearthmesh/core";
import {
  CHUNK_EXTENSION_BYTES_MAX,
  CHUNK_LINE_BYTES_MAX,
  PROXY_HEAD_BYTES_MAX,
  PROXY_INTERIM_MAX,
} from "./limits.js";
import { parseHead, parseHeaderLines, type ResponseHead } from "./response-head.js";

export interface ResponseSink {
  /** 100 to 199 but 101. */
  onInterim(head: ResponseHead): void;
  onHead(head: ResponseHead): void;
  onBody(bytes: Buffer): void;
  /** Names and values in turn. */
  onTrailers(lines: readonly string[]): void;
  /** `reusable`: the next request may use the same connection. */
  onEnd(reusable: boolean): void;
}

type State =
  | "idle"
  | "head"
  | "fixed"
  | "chunk-size"
  | "chunk-data"
  | "chunk-end"
  | "trailers"
  | "until-close"
  | "raw";

const HEAD_END = "\r\n\r\n";
const CHUNK_SIZE = /^([0-9a-f]{1,12})[ \t]*(?:;|$)/i;

export class ResponseParser {
  readonly #sink: ResponseSink;
  #state: State = "idle";
  #isHead = false;
  #keepAlive = false;
  #interims = 0;
  #extensionBytes = 0;
  /** Bytes of the body or chunk that are still to come. */
  #leftBytes = 0;
  /** The beginning of a head or line whose end has not come. */
  #held: Buffer | undefined;

  constructor(sink: ResponseSink) {
    this.#sink = sink;
  }

  get isIdle(): boolean {
    return this.#state === "idle";
  }

  /** `method` of the request: an answer to HEAD has no body whatever its headers say. */
  expect(method: string): void {
    this.#state = "head";
    this.#isHead = method === "HEAD";
    this.#interims = 0;
    this.#extensionBytes = 0;
  }

  push(piece: Buffer): void {
    let bytes = piece;
    while (bytes.length > 0) bytes = this.#take(bytes);
  }

  /** Throws `MESH_PROTOCOL` when the answer is not whole. */
  finish(): void {
    if (this.#state === "until-close" || this.#state === "raw") this.#end(false);
    if (this.#state !== "idle") throw broken("the connection ended within the answer");
  }

  /** Takes something off the front and answers with the rest. */
  #take(bytes: Buffer): Buffer {
    switch (this.#state) {
      case "idle":
        throw broken("the service sent bytes that nobody asked for");
      case "head":
        return this.#upTo(bytes, HEAD_END, PROXY_HEAD_BYTES_MAX, (text) => this.#onHead(text));
      case "until-close":
      case "raw":
        this.#sink.onBody(bytes);
        return EMPTY;
      case "fixed":
      case "chunk-data":
        return this.#body(bytes);
      case "chunk-size":
        return this.#upTo(bytes, "\r\n", CHUNK_LINE_BYTES_MAX, (line) => this.#onChunkSize(line));
      case "chunk-end":
        return this.#upTo(bytes, "\r\n", 2, (line) => {
          if (line !== "") throw broken("a chunk is longer than its size says");
          this.#state = "chunk-size";
        });
      case "trailers":
        return this.#trailers(bytes);
    }
  }

  #body(bytes: Buffer): Buffer {
    const whole = bytes.length <= this.#leftBytes;
    const part = whole ? bytes : bytes.subarray(0, this.#leftBytes);
    this.#leftBytes -= part.length;
    const isLast = this.#leftBytes === 0;
    if (isLast && this.#state === "chunk-data") this.#state = "chunk-end";
    this.#sink.onBody(part);
    if (isLast && this.#state === "fixed") this.#end(this.#keepAlive);
    return whole ? EMPTY : bytes.subarray(part.length);
  }

  /** Calls with the text before `end`, once it is there; answers with what comes after it. */
  #upTo(bytes: Buffer, end: string, bytesMax: number, then: (text: string) => void): Buffer {
    const held = this.#held;
    const all = held === undefined ? bytes : Buffer.concat([held, bytes]);
    const from = held === undefined ? 0 : Math.max(0, held.length - end.length + 1);
    const at = all.indexOf(end, from, "latin1");
    if ((at < 0 ? all.length - end.length : at) > bytesMax) {
      throw broken(`the service sent a line or head of more than ${bytesMax} bytes`);
    }
    if (at < 0) {
      if (this.#state === "head") refuseOtherProtocols(all);
      this.#held = all;
      return EMPTY;
    }
    this.#held = undefined;
    then(all.toString("latin1", 0, at));
    return all.subarray(at + end.length);
  }

  #onHead(text: string): void {
    const head = parseHead(text);
    const { status } = head;
    if (status >= 100 && status < 200 && status !== 101) {
      if (++this.#interims > PROXY_INTERIM_MAX) throw broken("the service sends interim answers");
      this.#sink.onInterim(head);
      return;
    }
    this.#keepAlive = head.keepAlive;
    const framing = this.#isHead || status === 204 || status === 304 ? 0 : head.bodyLength;
    if (status === 101) this.#state = "raw";
    else if (framing === "chunked") this.#state = "chunk-size";
    else if (framing === "until-close") this.#state = "until-close";
    else {
      this.#state = "fixed";
      this.#leftBytes = framing;
    }
    this.#sink.onHead(head);
    if (framing === 0 && this.#state === "fixed") this.#end(this.#keepAlive);
  }

  #onChunkSize(line: string): void {
    const size = CHUNK_SIZE.exec(line)?.[1];
    if (size === undefined) throw broken("the size of a chunk is not valid");
    this.#extensionBytes += line.length - size.length;
    if (this.#extensionBytes > CHUNK_EXTENSION_BYTES_MAX) {
      throw broken("the service sends more chunk extensions than content");
    }
    this.#leftBytes = Number.parseInt(size, 16);
    this.#state = this.#leftBytes === 0 ? "trailers" : "chunk-data";
  }

  /** A line alone ends them; with fields they end as a head does. */
  #trailers(bytes: Buffer): Buffer {
    const all = this.#held === undefined ? bytes : Buffer.concat([this.#held, bytes]);
    if (all.length < 2) {
      this.#held = all;
      return EMPTY;
    }
    if (all[0] === 13 && all[1] === 10) {
      this.#held = undefined;
      this.#end(this.#keepAlive);
      return all.subarray(2);
    }
    return this.#upTo(bytes, HEAD_END, PROXY_HEAD_BYTES_MAX, (text) => {
      this.#sink.onTrailers(parseHeaderLines(text.split("\r\n")));
      this.#end(this.#keepAlive);
    });
  }

  #end(reusable: boolean): void {
    this.#state = "idle";
    this.#sink.onEnd(reusable);
  }
}

const EMPTY = Buffer.alloc(0);
const PROTOCOL = "HTTP/1.";

/** Another protocol is told from its first bytes: nobody waits for the end of its head. */
function refuseOtherProtocols(begun: Buffer): void {
  const length = Math.min(begun.length, PROTOCOL.length);
  if (begun.toString("latin1", 0, length) !== PROTOCOL.slice(0, length)) {
    throw broken("the service does not speak HTTP/1.1");
  }
}

function broken(message: string): MeshError {
  return new MeshError("MESH_PROTOCOL", {
    message,
    hint: "Look at the service itself; `mesh service list` shows where it runs.",
  });
}
