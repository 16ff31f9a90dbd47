/**
 * TLS 1.3 with certificates on both sides. Who the peer is, the link handshake verifies by key; TLS
 * proves the certificate chain and gives the secret that the handshake is bound to.
 */
import { X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import {
  connect,
  createSecureContext,
  createServer,
  type SecureContext,
  type Server,
  type TLSSocket,
} from "node:tls";
import { QWormholeError } from "./errors.js";
import { HALF_OPEN_MAX, HALF_OPEN_PER_ADDRESS_MAX } from "./limits.js";
import type { LinkClock } from "./link.js";
import { addressText, reasonOf, SocketChannel } from "./socket-channel.js";
import { socketOptionsOf, startListening, waitForDial } from "./socket-listener.js";
import { systemLinkClock } from "./system-clock.js";
import type { Channel, Transport } from "./transport.js";

export interface TlsCredentials {
  keyPem: string;
  /** Leaf first. */
  certificatePem: string;
  /** The authorities whose certificates are accepted. */
  caPem: string | readonly string[];
}

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

export const ALPN_PROTOCOL = "hearthmesh/1";
const EXPORTER_LABEL = "EXPORTER-hearthmesh-link";
const EXPORTER_BYTES = 32;
const CHAIN_MAX = 8;

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
        secureContext: contextOf(options.credentials()),
        minVersion: "TLSv1.3",
        ALPNProtocols: [ALPN_PROTOCOL],
        rejectUnauthorized: true,
        // No server name is sent, and any name in the certificate is accepted: nodes are reached by
        // addresses that change and that no certificate holds. The chain must lead to our
        // authority, and the link handshake then insists on the expected key, which is stricter
        // than a name.
        servername: "",
        checkServerIdentity: () => undefined,
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

function contextOptionsOf(credentials: TlsCredentials) {
  const { keyPem, certificatePem, caPem } = credentials;
  return {
    key: keyPem,
    cert: certificatePem,
    ca: typeof caPem === "string" ? caPem : [...caPem],
    minVersion: "TLSv1.3" as const,
  };
}

/**
 * Throws `QW_TLS_FAILED` when the parts do not fit; the servers of Node would throw errors of
 * OpenSSL.
 */
function contextOf(credentials: TlsCredentials): SecureContext {
  checkAuthorities(credentials.caPem);
  try {
    return createSecureContext(contextOptionsOf(credentials));
  } catch (cause) {
    const message = "the TLS key, certificate or authorities cannot be used";
    throw new QWormholeError("QW_TLS_FAILED", { message, cause });
  }
}

/**
 * Node takes an empty `ca` for "the authorities that come with Node", which would let everybody in
 * who has a public certificate; and text without a certificate for no authority at all.
 */
function checkAuthorities(caPem: TlsCredentials["caPem"]): void {
  const texts = typeof caPem === "string" ? [caPem] : caPem;
  const isRead = texts.length > 0 && texts.every((text) => hasOnlyCertificates(text));
  if (isRead) return;
  const message = "`caPem` does not hold the certificate of an authority in each of its texts";
  throw new QWormholeError("QW_TLS_FAILED", { message });
}

function hasOnlyCertificates(text: string): boolean {
  const blocks = text.match(/-----BEGIN [^-]+-----[^-]+-----END [^-]+-----/g) ?? [];
  try {
    for (const block of blocks) new X509Certificate(block);
  } catch {
    return false;
  }
  return blocks.length > 0;
}

function makeServer(options: TlsTransportOptions, onChannel: (channel: Channel) => void): Server {
  const refuse = options.onRefused ?? (() => {});
  const credentials = options.credentials();
  contextOf(credentials);
  const server = createServer({
    ...contextOptionsOf(credentials),
    requestCert: true,
    rejectUnauthorized: true,
    ALPNProtocols: [ALPN_PROTOCOL],
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

/** Throws `QW_TLS_FAILED` when the connection is not what this transport promises. */
function channelOf(socket: TLSSocket): SocketChannel {
  const peerCertificates = chainOf(socket);
  const isRight =
    socket.authorized &&
    socket.getProtocol() === "TLSv1.3" &&
    socket.alpnProtocol === ALPN_PROTOCOL &&
    !socket.isSessionReused() &&
    peerCertificates.length > 0;
  if (!isRight) {
    const message = "the peer does not speak TLS 1.3 with a certificate and this protocol";
    throw new QWormholeError("QW_TLS_FAILED", { message });
  }
  const binding = socket.exportKeyingMaterial(EXPORTER_BYTES, EXPORTER_LABEL, Buffer.alloc(0));
  return new SocketChannel(socket, { kind: "tls", binding, peerCertificates });
}

/** DER, leaf first. A root names itself as its issuer, which ends the walk. */
function chainOf(socket: TLSSocket): Uint8Array[] {
  const chain: Uint8Array[] = [];
  let certificate = socket.getPeerCertificate(true);
  const seen = new Set<unknown>();
  while (certificate?.raw !== undefined && chain.length < CHAIN_MAX && !seen.has(certificate)) {
    seen.add(certificate);
    chain.push(certificate.raw);
    certificate = certificate.issuerCertificate;
  }
  return chain;
}
