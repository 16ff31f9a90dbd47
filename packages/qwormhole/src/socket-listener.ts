/** Listening and dialling, as plain and TLS sockets have them in common. */
import type { AddressInfo, Server, Socket } from "node:net";
import { QWormholeError } from "./errors.js";
import type { LinkClock } from "./link.js";
import { dialError, listenError } from "./socket-channel.js";
import type { Address, Listener } from "./transport.js";

const DIAL_TIMEOUT_MS_DEFAULT = 5000;

export function startListening(server: Server, address: Address): Promise<Listener> {
  const { host, port } = address;
  return new Promise((resolve, reject) => {
    const onError = (error: Error) => reject(listenError(error, host, port));
    server.once("error", onError);
    server.listen({ host, port }, () => {
      server.off("error", onError);
      // Later errors (too many open files) concern single connections; the listener goes on.
      server.on("error", () => {});
      const bound = server.address() as AddressInfo;
      resolve({
        address: { host, port: bound.port },
        close: () => new Promise((closed) => void closeServer(server, closed)),
      });
    });
  });
}

/**
 * Resolves when nothing is accepted any more; open connections live on, so it does not wait for
 * them.
 */
function closeServer(server: Server, closed: () => void): void {
  if (server.listening) server.close();
  closed();
}

export interface DialWait {
  readonly socket: Socket;
  /** The event after which the socket is ready. */
  readonly readyEvent: "connect" | "secureConnect";
  readonly address: Address;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
  readonly clock: LinkClock;
}

/** Resolves when the socket is ready; otherwise destroys it and rejects with a `QWormholeError`. */
export function waitForDial(wait: DialWait): Promise<void> {
  const { socket, readyEvent, address, signal, clock } = wait;
  return new Promise((resolve, reject) => {
    const settle = (error?: Error) => {
      timer.cancel();
      signal?.removeEventListener("abort", onAbort);
      socket.off("error", onError).off("close", onClose).off(readyEvent, onReady);
      if (error === undefined) {
        resolve();
        return;
      }
      socket.on("error", () => {});
      socket.destroy();
      reject(dialError(error, address.host, address.port));
    };
    const onReady = () => settle();
    const onError = (error: Error) => settle(error);
    const onClose = () => settle(new Error("the connection was closed"));
    const onAbort = () => settle(new QWormholeError("QW_CANCELLED", { cause: signal?.reason }));
    const onTimeout = () => settle(new QWormholeError("QW_DIAL_TIMEOUT"));
    const timer = clock.setTimeout(onTimeout, wait.timeoutMs ?? DIAL_TIMEOUT_MS_DEFAULT);
    socket.on("error", onError).on("close", onClose).on(readyEvent, onReady);
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) onAbort();
  });
}
