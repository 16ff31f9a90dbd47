/**
 * The rules of TLS between nodes, over sockets and over streams: TLS 1.3, a certificate of our
 * authority on both sides, one application protocol, no resumption.
 */
import { X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext, type TLSSocket } from "node:tls";
import { QWormholeError } from "./errors.js";
import { SocketChannel, type SocketChannelFacts } from "./socket-channel.js";

export interface TlsCredentials {
  keyPem: string;
  /** Leaf first. */
  certificatePem: string;
  /** The authorities whose certificates are accepted. */
  caPem: string | readonly string[];
}

export const ALPN_PROTOCOL = "hearthmesh/1";
const EXPORTER_LABEL = "EXPORTER-hearthmesh-link";
const EXPORTER_BYTES = 32;
const CHAIN_MAX = 8;

/** For `connect` of `node:tls`. Throws `QW_TLS_FAILED` when the credentials cannot be used. */
export function tlsClientOptions(credentials: TlsCredentials) {
  return {
    secureContext: contextOf(credentials),
    minVersion: "TLSv1.3" as const,
    ALPNProtocols: [ALPN_PROTOCOL],
    rejectUnauthorized: true,
    // No server name is sent, and any name in the certificate is accepted: nodes are reached by
    // addresses that change and that no certificate holds. The chain must lead to our authority,
    // and the link handshake then insists on the expected key, which is stricter than a name.
    servername: "",
    checkServerIdentity: () => undefined,
  };
}

/** For `createServer` of `node:tls`. Throws `QW_TLS_FAILED` when the credentials cannot be used. */
export function tlsServerOptions(credentials: TlsCredentials) {
  contextOf(credentials);
  return {
    ...contextOptionsOf(credentials),
    requestCert: true,
    rejectUnauthorized: true,
    ALPNProtocols: [ALPN_PROTOCOL],
  };
}

export function contextOptionsOf(credentials: TlsCredentials) {
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
export function contextOf(credentials: TlsCredentials): SecureContext {
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

/** Throws `QW_TLS_FAILED` when the connection is not what this transport promises. */
export function channelOf(
  socket: TLSSocket,
  addresses: Pick<SocketChannelFacts, "localAddress" | "remoteAddress"> = {},
): SocketChannel {
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
  const channel = new SocketChannel(socket, {
    kind: "tls",
    binding,
    peerCertificates,
    ...addresses,
  });
  // After the handshake, Node only tells of a broken record and leaves the socket open.
  socket.on("error", () => socket.destroy());
  return channel;
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
