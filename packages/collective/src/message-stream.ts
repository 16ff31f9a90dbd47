/**
 * Messages on a link stream, one after the other in the form of `codec.ts`: `u32 length of the
 * JSON, big-endian | JSON header | body`. The header's `sizeBytes` says how long the body is;
 * without it there is no body. Bodies are handed on as the pieces that arrived, without a copy, or
 * are gathered in a buffer of the reader's: a storage node keeps many chunks for as long as its
 * disk takes, and whole buffers that it uses again cost less than thousands of small pieces.
 */
import { limits, MeshError } from "@hearthmesh/core";

/** A header in a stream holds a few ids and an error record, never a list of chunks. */
export const STREAM_HEADER_BYTES_MAX = 64 * 1024;

export interface StreamMessage<Header> {
  readonly header: Header;
  /** Views of what the stream delivered; together `header.sizeBytes` long. */
  readonly pieces: Uint8Array[];
}

export interface ReadMessagesOptions {
  /** Default `CHUNK_BYTES_MAX`. A longer body is refused before any of it is kept. */
  bodyBytesMax?: number;
  /**
   * Asked for a buffer of at least `sizeBytes` before a body is read; the stream waits for it. The
   * body then comes as one piece, a view of that buffer. Undefined: this body comes as it arrives.
   */
  bodyBuffer?(sizeBytes: number): Promise<Uint8Array | undefined>;
}

/** Where messages can be written: the writing half of a `LinkStream`. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<void>;
}

/**
 * The messages of a stream in order. Ends when the stream ends between two messages. Throws
 * `MESH_PROTOCOL` when it ends within one, when a header is not JSON, or when a limit is exceeded;
 * what the stream itself throws passes through. The header's other fields are not checked here.
 */
export async function* readMessages<Header>(
  readable: AsyncIterable<Uint8Array>,
  options: ReadMessagesOptions = {},
): AsyncGenerator<StreamMessage<Header>, void, undefined> {
  const { bodyBytesMax = limits.CHUNK_BYTES_MAX, bodyBuffer } = options;
  const parser = new MessageParser<Header>(bodyBytesMax, bodyBuffer !== undefined);
  for await (const bytes of readable) {
    parser.push(bytes);
    for (;;) {
      const message = parser.next();
      if (message !== undefined) yield message;
      else if (bodyBuffer === undefined || parser.bufferNeeded === undefined) break;
      else parser.gatherIn(await bodyBuffer(parser.bufferNeeded));
    }
  }
  parser.finish();
}

/**
 * The pure part of `readMessages`: bytes in, whole messages out, linear for any split.
 *
 * States: length -> header -> (with `gathers`: asking for a buffer ->) body -> length.
 */
export class MessageParser<Header> {
  readonly #bodyBytesMax: number;
  readonly #gathers: boolean;
  /** Whether the body's buffer is still to be chosen. */
  #asksForBuffer = false;
  #buffer: Uint8Array | undefined;
  #gatheredBytes = 0;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #headerBytes: number | undefined;
  #header: Header | undefined;
  #bodyBytes = 0;

  /** `gathers`: `next` stops before each body until `gatherIn` was called. */
  constructor(bodyBytesMax: number, gathers = false) {
    this.#bodyBytesMax = bodyBytesMax;
    this.#gathers = gathers;
  }

  /** Size of the body that waits for `gatherIn`. */
  get bufferNeeded(): number | undefined {
    return this.#asksForBuffer ? this.#bodyBytes : undefined;
  }

  /** Where the body goes that is about to be read; undefined leaves it in pieces. */
  gatherIn(buffer: Uint8Array | undefined): void {
    this.#asksForBuffer = false;
    this.#buffer = buffer;
    this.#gatheredBytes = 0;
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
  }

  /** The next whole message, or undefined when more bytes are needed. */
  next(): StreamMessage<Header> | undefined {
    if (this.#headerBytes === undefined) {
      if (this.#queuedBytes < 4) return undefined;
      const length = this.#join(4).readUInt32BE(0);
      if (length > STREAM_HEADER_BYTES_MAX) throw broken("a message header is too long");
      this.#headerBytes = length;
    }
    if (this.#header === undefined) {
      if (this.#queuedBytes < this.#headerBytes) return undefined;
      this.#header = parseHeader<Header>(this.#join(this.#headerBytes));
      this.#bodyBytes = bodyBytes(this.#header, this.#bodyBytesMax);
      this.#asksForBuffer = this.#gathers;
    }
    const pieces = this.#asksForBuffer ? undefined : this.#body();
    if (pieces === undefined) return undefined;
    const message = { header: this.#header, pieces };
    this.#headerBytes = undefined;
    this.#header = undefined;
    return message;
  }

  #body(): Uint8Array[] | undefined {
    const buffer = this.#buffer;
    if (buffer === undefined) {
      return this.#queuedBytes < this.#bodyBytes ? undefined : this.#take(this.#bodyBytes);
    }
    const missing = this.#bodyBytes - this.#gatheredBytes;
    for (const piece of this.#take(Math.min(missing, this.#queuedBytes))) {
      buffer.set(piece, this.#gatheredBytes);
      this.#gatheredBytes += piece.length;
    }
    if (this.#gatheredBytes < this.#bodyBytes) return undefined;
    this.#buffer = undefined;
    return [buffer.subarray(0, this.#bodyBytes)];
  }

  /** The stream has ended: throws `MESH_PROTOCOL` when it did so within a message. */
  finish(): void {
    if (this.#queuedBytes > 0 || this.#headerBytes !== undefined) {
      throw broken("the stream ended in the middle of a message");
    }
  }

  #join(length: number): Buffer {
    const pieces = this.#take(length);
    const first = pieces[0];
    if (pieces.length !== 1 || first === undefined) return Buffer.concat(pieces);
    return Buffer.from(first.buffer, first.byteOffset, first.byteLength);
  }

  #take(length: number): Uint8Array[] {
    this.#queuedBytes -= length;
    const taken: Uint8Array[] = [];
    let missing = length;
    let used = 0;
    for (const piece of this.#queue) {
      if (missing === 0) break;
      if (piece.length > missing) {
        taken.push(piece.subarray(0, missing));
        this.#queue[used] = piece.subarray(missing);
        missing = 0;
        break;
      }
      taken.push(piece);
      missing -= piece.length;
      used++;
    }
    this.#queue.splice(0, used);
    return taken;
  }
}

/**
 * Writes one message. Resolves when the sink has taken all of it. Calls for one sink must not
 * overlap, or their pieces would mix: where several writers share a stream, use `MessageWriter`.
 */
export async function writeMessage(
  sink: ByteSink,
  header: object,
  pieces: readonly Uint8Array[] = [],
): Promise<void> {
  await sink.write(encodeStreamHeader(header));
  for (const piece of pieces) await sink.write(piece);
}

/** Writes messages to one stream one after the other, whoever calls and whenever. */
export class MessageWriter {
  readonly #sink: ByteSink;
  #last: Promise<void> = Promise.resolve();

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /** Rejects when the sink does; later messages then fail the same way. */
  write(header: object, pieces: readonly Uint8Array[] = []): Promise<void> {
    const written = this.#last.then(() => writeMessage(this.#sink, header, pieces));
    this.#last = written;
    // The caller sees the failure in what it was given; this only keeps it from being unhandled.
    written.catch(() => undefined);
    return written;
  }
}

/** Length and JSON of a message in one piece, so that small messages are one write. */
function encodeStreamHeader(header: object): Uint8Array {
  const json = JSON.stringify(header);
  const bytes = Buffer.allocUnsafe(4 + Buffer.byteLength(json));
  bytes.writeUInt32BE(bytes.length - 4, 0);
  bytes.write(json, 4, "utf8");
  return bytes;
}

function parseHeader<Header>(json: Buffer): Header {
  try {
    const header: unknown = JSON.parse(json.toString("utf8"));
    if (header !== null && typeof header === "object") return header as Header;
  } catch {
    // The one error below serves: where the JSON broke does not help the peer.
  }
  throw broken("a message header is not JSON");
}

function bodyBytes(header: unknown, bodyBytesMax: number): number {
  const size = (header as { sizeBytes?: unknown }).sizeBytes ?? 0;
  if (typeof size !== "number" || !Number.isInteger(size) || size < 0 || size > bodyBytesMax) {
    throw broken(`a message body must have 0 to ${bodyBytesMax} bytes`);
  }
  return size;
}

function broken(message: string): MeshError {
  return new MeshError("MESH_PROTOCOL", { message });
}
