/** A `Channel` over a socket of Node, plain or TLS. */
import type { Socket } from "node:net";
import { QWormholeError } from "./errors.js";
import { CHANNEL_BUFFER_BYTES_MAX } from "./limits.js";
import type { Channel, ChannelHandlers } from "./transport.js";

/** After this many writes that did not need the gather buffer, it is let go. */
const SINGLE_WRITES_MAX = 8;
const NOTHING = new Uint8Array(0);

export interface SocketChannelFacts {
  readonly kind: "tcp" | "tls";
  readonly binding: Uint8Array;
  readonly peerCertificates: readonly Uint8Array[];
  /** Where the socket itself has no addresses, because it runs over a stream. */
  readonly localAddress?: string;
  readonly remoteAddress?: string;
}

export class SocketChannel implements Channel {
  readonly kind: "tcp" | "tls";
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly binding: Uint8Array;
  readonly peerCertificates: readonly Uint8Array[];
  readonly #socket: Socket;
  #handlers: ChannelHandlers | undefined;
  #error: Error | undefined;
  #closed = false;
  #writesUnderWay = 0;
  #singleWrites = 0;
  #gatherBuffer: Uint8Array = NOTHING;

  constructor(socket: Socket, facts: SocketChannelFacts) {
    this.kind = facts.kind;
    this.binding = facts.binding;
    this.peerCertificates = facts.peerCertificates;
    this.localAddress = facts.localAddress ?? addressText(socket.localAddress, socket.localPort);
    this.remoteAddress =
      facts.remoteAddress ?? addressText(socket.remoteAddress, socket.remotePort);
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("error", (error) => {
      this.#error ??= error;
    });
    socket.on("close", () => {
      this.#closed = true;
      this.#handlers?.onClose(this.#error);
    });
  }

  /** TLS encrypts in the call, or keeps a copy. */
  get copiesWrites(): boolean {
    return this.kind === "tls";
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  setHandlers(handlers: ChannelHandlers): void {
    this.#handlers = handlers;
    if (this.#closed) {
      queueMicrotask(() => handlers.onClose(this.#error));
      return;
    }
    if (this.kind === "tcp") this.#socket.on("drain", () => handlers.onDrain());
    this.#socket.on("data", (bytes: Buffer) => handlers.onData(bytes));
  }

  write(pieces: readonly Uint8Array[]): boolean {
    const socket = this.#socket;
    if (!socket.writable) return false;
    if (this.kind === "tls") return this.#writeTls(pieces);
    socket.cork();
    for (const piece of pieces) socket.write(piece);
    socket.uncork();
    return socket.writableLength < CHANNEL_BUFFER_BYTES_MAX;
  }

  /**
   * A TLS socket takes one write in each turn of the event loop and copies what was corked or
   * queued meanwhile into fresh memory. So there is one write at a time here, of one run of bytes;
   * several pieces are gathered in a buffer that is used again. Measured: half the processor time
   * of cork.
   */
  #writeTls(pieces: readonly Uint8Array[]): boolean {
    const isAlone = pieces.length === 1 && this.#writesUnderWay === 0;
    const bytes = isAlone ? this.#single(pieces[0]) : this.#gathered(pieces);
    this.#writesUnderWay++;
    this.#socket.write(bytes, this.#onWritten);
    return false;
  }

  /** Lets go of the buffer when single pieces, such as the PINGs of an idle link, do without it. */
  #single(piece: Uint8Array = NOTHING): Uint8Array {
    if (this.#gatherBuffer.length > 0 && ++this.#singleWrites > SINGLE_WRITES_MAX) {
      this.#gatherBuffer = NOTHING;
    }
    return piece;
  }

  #gathered(pieces: readonly Uint8Array[]): Uint8Array {
    this.#singleWrites = 0;
    let length = 0;
    for (const piece of pieces) length += piece.length;
    // While a write is under way its bytes must not change.
    if (this.#writesUnderWay > 0) return Buffer.concat(pieces, length);
    if (this.#gatherBuffer.length < length) this.#gatherBuffer = Buffer.allocUnsafeSlow(length);
    let at = 0;
    for (const piece of pieces) {
      this.#gatherBuffer.set(piece, at);
      at += piece.length;
    }
    return this.#gatherBuffer.subarray(0, length);
  }

  readonly #onWritten = (): void => {
    this.#writesUnderWay--;
    if (this.#writesUnderWay === 0 && !this.#closed) this.#handlers?.onDrain();
  };

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  destroy(error?: Error): void {
    this.#error ??= error;
    this.#socket.destroy();
  }
}

export function addressText(host: string | undefined, port: number | undefined): string {
  if (host === undefined) return "unknown";
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

interface SystemError extends Error {
  code?: string;
  /** Of OpenSSL, whose messages hold thread numbers and source files. */
  reason?: string;
}

/** What an error of a socket says, for people. */
export function reasonOf({ code, reason, message }: SystemError): string {
  if (reason !== undefined) return reason;
  return code === undefined || message.includes(code) ? message : `${code} ${message}`;
}

/** Names what a failed `listen` means. */
export function listenError(error: SystemError, host: string, port: number): QWormholeError {
  const where = addressText(host, port);
  if (error.code === "EADDRINUSE") {
    const message = `another program listens on ${where}`;
    return new QWormholeError("QW_ADDRESS_IN_USE", { message, cause: error });
  }
  const message = `cannot listen on ${where}: ${error.code ?? error.message}`;
  return new QWormholeError("QW_LISTEN_FAILED", { message, cause: error });
}

/** Names what a failed dial means. */
export function dialError(error: SystemError, host: string, port: number): QWormholeError {
  if (error instanceof QWormholeError) return error;
  const where = addressText(host, port);
  if (error.code === "ECONNREFUSED") {
    return new QWormholeError("QW_DIAL_REFUSED", {
      message: `nobody listens on ${where}`,
      cause: error,
    });
  }
  if (error.code === "ETIMEDOUT") {
    const message = `${where} did not answer in time`;
    return new QWormholeError("QW_DIAL_TIMEOUT", { message, cause: error });
  }
  const isTls = /^(ERR_(SSL|TLS|OSSL)|CERT_|UNABLE_|SELF_SIGNED|DEPTH_ZERO)/.test(error.code ?? "");
  return new QWormholeError(isTls ? "QW_TLS_FAILED" : "QW_DIAL_FAILED", {
    message: `cannot reach ${where}: ${reasonOf(error)}`,
    cause: error,
  });
}
