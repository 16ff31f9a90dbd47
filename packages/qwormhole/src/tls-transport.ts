/**
 * TLS 1.3 with certificates on both sides. Who the peer is, the link handshake verifies by key; TLS
 * proves the certificate chain and gives the secret that the handshake is bound to.
 */
import type { Socket } from "node:net";
import { connect, createServer, type Server, type TLSSocket } from "node:tls";
import { QWormholeError } from "./errors.js";
import { HALF_OPEN_MAX, HALF_OPEN_PER_ADDRESS_MAX } from "./limits.js";
import type { LinkClock } from "./link.js";
import { addressText, reasonOf } from "./socket-channel.js";
import { socketOptionsOf, startListening, waitForDial } from "./socket-listener.js";
import { systemLinkClock } from "./system-clock.js";
import {
  channelOf,
  contextOf,
  contextOptionsOf,
  type TlsCredentials,
  tlsClientOptions,
  tlsServerOptions,
} from "./tls-rules.js";
import type { Channel, Transport } from "./transport.js";

export { ALPN_PROTOCOL, type TlsCredentials } from "./tls-rules.js";

export interface TlsTransportOptions {
  /** Asked at each dial, at each listen, and at `reload`. */
  credentials(): TlsCredentials;
  /** A connection that did not finish its TLS handshake by then is closed. Default 5,000. */
  handshakeTimeoutMs?: number;
  /** TLS handshakes under way at once at one listener, in all and from one address. */
  halfOpenMax?: number;
  halfOpenPerAddressMax?: number;
  /** A connection failed before it was a channel. */
  onRefused?(error: Error, remoteAddress: string): void;
  clock?: LinkClock;
}

export interface TlsTransport extends Transport {
  /**
   * Lets all listeners use the present credentials for new connections. Open ones live on. Throws
   * `QW_TLS_FAILED` and changes nothing when the credentials cannot be used.
   */
  reload(): void;
}

export function tlsTransport(options: TlsTransportOptions): TlsTransport {
  const clock = options.clock ?? systemLinkClock();
  const servers = new Set<Server>();
  return {
    async listen(address, onChannel) {
      const server = makeServer(options, onChannel);
      servers.add(server);
      server.on("close", () => servers.delete(server));
      return startListening(server, address);
    },
    async dial(address, dialOptions = {}) {
      const socket = connect({
        ...socketOptionsOf(address, dialOptions),
        ...tlsClientOptions(options.credentials()),
      });
      const readyEvent = "secureConnect";
      await waitForDial({ socket, readyEvent, address, options: dialOptions, clock });
      try {
        return channelOf(socket);
      } catch (error) {
        socket.on("error", () => {});
        socket.destroy();
        throw error;
      }
    },
    reload() {
      const credentials = options.credentials();
      contextOf(credentials);
      for (const server of servers) server.setSecureContext(contextOptionsOf(credentials));
    },
  };
}

function makeServer(options: TlsTransportOptions, onChannel: (channel: Channel) => void): Server {
  const refuse = options.onRefused ?? (() => {});
  const server = createServer({
    ...tlsServerOptions(options.credentials()),
    handshakeTimeout: options.handshakeTimeoutMs ?? 5000,
  });
  const remoteOf = limitHalfOpen(server, options, refuse);
  server.on("tlsClientError", (cause, socket) => {
    const remote = remoteOf(socket);
    // For a certificate that is not accepted, the error itself says "socket hang up" and no more.
    const reason = socket.authorizationError || reasonOf(cause);
    const message = `the TLS handshake with ${remote} failed: ${reason}`;
    refuse(new QWormholeError("QW_TLS_FAILED", { message, cause }), remote);
  });
  server.on("secureConnection", (socket) => {
    try {
      onChannel(channelOf(socket));
    } catch (error) {
      socket.on("error", () => {});
      socket.destroy();
      refuse(error as Error, addressText(socket.remoteAddress, socket.remotePort));
    }
  });
  return server;
}

/**
 * Strangers cost a TLS handshake each; this bounds how many at once. The answer tells where a
 * socket comes from whose handshake failed.
 */
function limitHalfOpen(
  server: Server,
  options: TlsTransportOptions,
  refuse: (error: Error, remoteAddress: string) => void,
): (socket: TLSSocket) => string {
  const halfOpenMax = options.halfOpenMax ?? HALF_OPEN_MAX;
  const perAddressMax = options.halfOpenPerAddressMax ?? HALF_OPEN_PER_ADDRESS_MAX;
  const waiting = new Map<string, string>();
  const perAddress = new Map<string, number>();
  // A socket that was destroyed has forgotten its address. The failure is told within the event
  // that the connection below it was closed.
  let closing: string | undefined;
  const leave = (remote: string) => {
    const host = waiting.get(remote);
    if (host === undefined) return;
    waiting.delete(remote);
    const left = (perAddress.get(host) ?? 1) - 1;
    if (left === 0) perAddress.delete(host);
    else perAddress.set(host, left);
  };
  // What `tls.Server` itself does with a connection is done only for those that are let in: one
  // that was refused would cost a TLS socket all the same, and fail a second time.
  const begin = server.listeners("connection") as ((socket: Socket) => void)[];
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    const host = socket.remoteAddress ?? "unknown";
    const remote = addressText(host, socket.remotePort);
    const sameAddress = perAddress.get(host) ?? 0;
    if (waiting.size >= halfOpenMax || sameAddress >= perAddressMax) {
      socket.destroy();
      refuse(new QWormholeError("QW_CONNECTIONS_LIMIT"), remote);
      return;
    }
    waiting.set(remote, host);
    perAddress.set(host, sameAddress + 1);
    socket.once("close", () => {
      leave(remote);
      closing = remote;
      queueMicrotask(() => {
        closing = undefined;
      });
    });
    for (const listener of begin) listener.call(server, socket);
  });
  server.on("secureConnection", (socket) => {
    leave(addressText(socket.remoteAddress, socket.remotePort));
  });
  return ({ remoteAddress, remotePort }) =>
    remoteAddress === undefined && closing !== undefined
      ? closing
      : addressText(remoteAddress, remotePort);
}
