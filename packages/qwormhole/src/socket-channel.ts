/** A `Channel` over a socket of Node, plain or TLS. */
import type { Socket } from "node:net";
import { QWormholeError } from "./errors.js";
import { CHANNEL_BUFFER_BYTES_MAX } from "./limits.js";
import type { Channel, ChannelHandlers } from "./transport.js";

export interface SocketChannelFacts {
  readonly kind: "tcp" | "tls";
  readonly binding: Uint8Array;
  readonly peerCertificates: readonly Uint8Array[];
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

  constructor(socket: Socket, facts: SocketChannelFacts) {
    this.kind = facts.kind;
    this.binding = facts.binding;
    this.peerCertificates = facts.peerCertificates;
    this.localAddress = addressText(socket.localAddress, socket.localPort);
    this.remoteAddress = addressText(socket.remoteAddress, socket.remotePort);
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

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  setHandlers(handlers: ChannelHandlers): void {
    this.#handlers = handlers;
    if (this.#closed) {
      queueMicrotask(() => handlers.onClose(this.#error));
      return;
    }
    this.#socket.on("drain", () => handlers.onDrain());
    this.#socket.on("data", (bytes: Buffer) => handlers.onData(bytes));
  }

  /**
   * One piece goes as it is. Several are corked: plain TCP hands them to the system without a copy, and
   * TLS copies them into one run before it encrypts, where two writes would cost a turn of the event
   * loop each.
   */
  write(pieces: readonly Uint8Array[]): boolean {
    const socket = this.#socket;
    if (!socket.writable) return false;
    if (pieces.length === 1) socket.write(pieces[0] as Uint8Array);
    else {
      socket.cork();
      for (const piece of pieces) socket.write(piece);
      socket.uncork();
    }
    return socket.writableLength < CHANNEL_BUFFER_BYTES_MAX;
  }

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
    message: `cannot reach ${where}: ${error.code ?? ""} ${error.message}`.replace(/ +/g, " "),
    cause: error,
  });
}
