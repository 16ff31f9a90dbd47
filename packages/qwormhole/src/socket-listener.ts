/** Listening and dialling, as plain and TLS sockets have them in common. */
import type { AddressInfo, Server, Socket } from "node:net";
import { QWormholeError } from "./errors.js";
import { addressWithZone, readIpAddress } from "./ip-address.js";
import type { LinkClock } from "./link.js";
import { addressText, dialError, listenError } from "./socket-channel.js";
import type { Address, DialOptions, Listener } from "./transport.js";

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

/**
 * What `connect` of `node:net` and `node:tls` takes. Throws `QW_OPTIONS_INVALID` when the addresses
 * and the family do not fit each other, for the system would only say that the dial failed.
 */
export function socketOptionsOf(address: Address, options: DialOptions) {
  const { host, port } = address;
  const { localAddress, family } = options;
  const own = localAddress === undefined ? undefined : readIpAddress(localAddress);
  const invalid = (message: string) => new QWormholeError("QW_OPTIONS_INVALID", { message });
  if (localAddress !== undefined && own === undefined) {
    throw invalid(`the local address ${JSON.stringify(localAddress)} is not an IP address`);
  }
  const wanted = family ?? own?.family;
  if (own !== undefined && own.family !== wanted) {
    throw invalid(`the local address ${localAddress} is not of IPv${wanted}`);
  }
  const target = readIpAddress(host);
  if (target !== undefined && wanted !== undefined && target.family !== wanted) {
    const reason = own === undefined ? `IPv${wanted}` : `the local address ${localAddress}`;
    throw invalid(`${host} cannot be dialled by ${reason}: it is of IPv${target.family}`);
  }
  return {
    // The sockets of an IPv4-mapped address would be of IPv6.
    host: target === undefined ? host : addressWithZone(target),
    port,
    ...(own === undefined ? {} : { localAddress: addressWithZone(own) }),
    ...(wanted === undefined || target !== undefined ? {} : { family: wanted }),
  };
}

export interface DialWait {
  readonly socket: Socket;
  /** The event after which the socket is ready. */
  readonly readyEvent: "connect" | "secureConnect";
  readonly address: Address;
  readonly options: DialOptions;
  readonly clock: LinkClock;
}

/** Resolves when the socket is ready; otherwise destroys it and rejects with a `QWormholeError`. */
export function waitForDial(wait: DialWait): Promise<void> {
  const { socket, readyEvent, address, options, clock } = wait;
  const { signal } = options;
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
      reject(localAddressError(error, wait) ?? dialError(error, address.host, address.port));
    };
    const onReady = () => settle();
    const onError = (error: Error) => settle(error);
    const onClose = () => settle(new Error("the connection was closed"));
    const onAbort = () => settle(new QWormholeError("QW_CANCELLED", { cause: signal?.reason }));
    const onTimeout = () => settle(new QWormholeError("QW_DIAL_TIMEOUT"));
    const timer = clock.setTimeout(onTimeout, options.timeoutMs ?? DIAL_TIMEOUT_MS_DEFAULT);
    socket.on("error", onError).on("close", onClose).on(readyEvent, onReady);
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) onAbort();
  });
}

/** Tells an own address that is not there from a peer that cannot be reached. */
function localAddressError(cause: Error, wait: DialWait): QWormholeError | undefined {
  const { localAddress } = wait.options;
  if (localAddress === undefined || (cause as { code?: string }).code !== "EADDRNOTAVAIL") {
    return undefined;
  }
  const where = addressText(wait.address.host, wait.address.port);
  const reason = "this machine has no such address, or no free port on it";
  const message = `cannot dial ${where} from ${localAddress}: ${reason}`;
  return new QWormholeError("QW_DIAL_FAILED", { message, cause });
}
