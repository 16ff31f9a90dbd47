/**
 * One connection to a service, which carries one request after the other. It does not know what
 * the requests are: an `Exchange` gets what comes back.
 */
import type { Duplex } from "node:stream";
import { MeshError } from "@hearthmesh/core";
import type { ServiceConnection } from "@hearthmesh/membership";
import type { ResponseHead } from "./response-head.js";
import { ResponseParser, type ResponseSink } from "./response-parser.js";

export interface Exchange extends ResponseSink {
  /** All bytes that came at once have been delivered. */
  onPiece(): void;
  /** The service takes bytes again after `write` has answered false. */
  onDrain(): void;
  /** Nothing comes after it. `answered`: at least one byte of the answer came. */
  onFail(error: Error, answered: boolean): void;
}

export class UpstreamConnection implements ResponseSink {
  readonly authority: string;
  readonly #duplex: Duplex;
  readonly #parser = new ResponseParser(this);
  readonly #onClose: (connection: UpstreamConnection) => void;
  #exchange: Exchange | undefined;
  #answered = false;
  #closed = false;
  /** When it became idle, monotonic. */
  idleSinceMs = 0;
  /** Until when the service keeps it, as far as it says. */
  keepMs = Number.POSITIVE_INFINITY;
  /** Has carried a request before. */
  isUsed = false;

  constructor(
    { duplex, authority }: ServiceConnection,
    onClose: (connection: UpstreamConnection) => void,
  ) {
    this.authority = authority;
    this.#duplex = duplex;
    this.#onClose = onClose;
    duplex.on("data", (bytes: Buffer) => this.#onData(bytes));
    duplex.on("drain", () => this.#exchange?.onDrain());
    duplex.once("end", () => this.#onEnded());
    duplex.once("error", (error) => this.#fail(error));
    duplex.once("close", () => this.#fail(lost()));
  }

  get isOpen(): boolean {
    return !this.#closed;
  }

  /** The caller writes the request afterwards. */
  begin(method: string, exchange: Exchange): void {
    this.#exchange = exchange;
    this.#answered = false;
    this.#parser.expect(method);
  }

  /** False: wait for `onDrain`. */
  write(bytes: Uint8Array | string): boolean {
    if (this.#closed) return true;
    return typeof bytes === "string"
      ? this.#duplex.write(bytes, "latin1")
      : this.#duplex.write(bytes);
  }

  cork(): void {
    this.#duplex.cork();
  }

  uncork(): void {
    this.#duplex.uncork();
  }

  pause(): void {
    this.#duplex.pause();
  }

  resume(): void {
    this.#duplex.resume();
  }

  /** Ends at once; the exchange is not told. */
  destroy(): void {
    this.#exchange = undefined;
    this.#close();
  }

  /** Lets go of the bytes after an upgrade; this object is of no use then. */
  release(): Duplex {
    this.#closed = true;
    this.#exchange = undefined;
    this.#duplex.pause();
    for (const event of ["data", "drain", "end", "error", "close"]) {
      this.#duplex.removeAllListeners(event);
    }
    // Until somebody else listens, an error must not end the process.
    this.#duplex.on("error", () => {});
    this.#onClose(this);
    return this.#duplex;
  }

  onInterim(head: ResponseHead): void {
    this.#exchange?.onInterim(head);
  }

  onHead(head: ResponseHead): void {
    if (head.keepAliveSeconds !== undefined) this.keepMs = (head.keepAliveSeconds - 1) * 1_000;
    this.#exchange?.onHead(head);
  }

  onBody(bytes: Buffer): void {
    this.#exchange?.onBody(bytes);
  }

  onTrailers(lines: readonly string[]): void {
    this.#exchange?.onTrailers(lines);
  }

  onEnd(reusable: boolean): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.isUsed = true;
    exchange?.onEnd(reusable);
  }

  #onData(bytes: Buffer): void {
    this.#answered = true;
    const exchange = this.#exchange;
    try {
      this.#parser.push(bytes);
      exchange?.onPiece();
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #onEnded(): void {
    try {
      this.#parser.finish();
      this.#fail(lost());
    } catch (error) {
      this.#fail(this.#answered ? (error as Error) : lost());
    }
  }

  #fail(error: Error): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#close();
    exchange?.onFail(error, this.#answered);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#duplex.on("error", () => {});
    this.#duplex.destroy();
    this.#onClose(this);
  }
}

function lost(): MeshError {
  return new MeshError("MESH_UNREACHABLE", { message: "the service closed the connection" });
}
