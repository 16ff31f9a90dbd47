/**
 * One TCP port for HTTP and HTTPS: a TLS connection begins with a handshake record, whose first
 * byte is 0x16 (RFC 8446, 5.1), and no HTTP request does. The byte is looked at and put back, then
 * the connection belongs to one of the two servers, which do not listen themselves.
 */
import type { Server as HttpServer } from "node:http";
import type { Server as HttpsServer } from "node:https";
import { Server, type Socket } from "node:net";
import { limits } from "@hearthmesh/core";

const TLS_HANDSHAKE = 0x16;

export class SharedPort extends Server {
  readonly #plain: HttpServer;
  readonly #secure: HttpsServer;
  /** Connections that have said nothing yet. */
  readonly #silent = new Set<Socket>();

  constructor(plain: HttpServer, secure: HttpsServer) {
    super({ allowHalfOpen: true, noDelay: true });
    this.#plain = plain;
    this.#secure = secure;
    this.on("connection", (socket: Socket) => this.#sort(socket));
    // Both servers set up their lists and timeouts of connections when they begin to listen.
    this.on("listening", () => this.#both((server) => server.emit("listening")));
    this.on("close", () => this.#both((server) => server.close()));
  }

  closeIdleConnections(): void {
    for (const socket of this.#silent) socket.destroy();
    this.#both((server) => server.closeIdleConnections());
  }

  closeAllConnections(): void {
    for (const socket of this.#silent) socket.destroy();
    this.#both((server) => server.closeAllConnections());
  }

  #both(work: (server: HttpServer) => void): void {
    work(this.#plain);
    work(this.#secure);
  }

  #sort(socket: Socket): void {
    this.#silent.add(socket);
    const leave = () => {
      this.#silent.delete(socket);
      socket.off("error", drop);
      socket.off("timeout", drop);
      socket.off("close", leave);
      socket.off("end", drop);
      socket.off("readable", onReadable);
      socket.setTimeout(0);
    };
    const drop = () => {
      leave();
      socket.destroy();
    };
    const onReadable = () => {
      const first: Buffer | null = socket.read(1);
      if (first === null) return;
      leave();
      socket.unshift(first);
      const server = first[0] === TLS_HANDSHAKE ? this.#secure : this.#plain;
      server.emit("connection", socket);
    };
    socket.on("error", drop);
    socket.on("timeout", drop);
    socket.on("close", leave);
    socket.on("end", drop);
    socket.on("readable", onReadable);
    socket.setTimeout(limits.HTTP_SMALL_REQUEST_MS_MAX);
  }
}
