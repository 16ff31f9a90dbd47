/** Asks a server only for its certificates, so that they can be checked before anything is said. */
import type { DetailedPeerCertificate } from "node:tls";
import { connect } from "node:tls";
import { MeshError } from "@hearthmesh/core";
import { type Endpoint, formatEndpoint } from "@hearthmesh/identity";
import { networkError } from "./network-errors.js";

/** More certificates than this are not looked at. */
const CHAIN_CERTIFICATES_MAX = 4;

/**
 * The chain that the server shows in its handshake, as DER, its own certificate first. Nothing is
 * sent and nothing that the server says is used but these certificates, which the caller checks
 * against the pin of an invite.
 */
export function probeCertificates(
  endpoint: Endpoint,
  options: { timeoutMs: number; signal?: AbortSignal | undefined },
): Promise<Uint8Array[]> {
  return new Promise((resolve, reject) => {
    const address = formatEndpoint(endpoint);
    const { signal } = options;
    const socket = connect({
      host: endpoint.host,
      port: endpoint.port,
      minVersion: "TLSv1.3",
      // The one place without verification: the newcomer has no CA yet, only its pin. The
      // connection is closed before a byte is sent; what is found here is trusted only after the
      // pin was checked.
      rejectUnauthorized: false,
    });
    const end = (error?: unknown) => {
      signal?.removeEventListener("abort", onAbort);
      socket.destroy();
      if (error !== undefined) reject(networkError(error, address));
    };
    const onAbort = () => end(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    socket.setTimeout(options.timeoutMs, () =>
      end(new MeshError("MESH_TIMEOUT", { message: `${address}: no answer came in time` })),
    );
    socket.on("error", end);
    socket.once("close", () => end(new Error("the connection was closed by the other side")));
    socket.once("secureConnect", () => {
      resolve(chainOf(socket.getPeerCertificate(true)));
      end();
    });
    if (signal?.aborted === true) onAbort();
  });
}

/** node:tls links each certificate to its issuer; a root is its own issuer. */
function chainOf(leaf: DetailedPeerCertificate): Uint8Array[] {
  const chain: Uint8Array[] = [];
  let next: DetailedPeerCertificate | undefined = leaf;
  while (next?.raw !== undefined && chain.length < CHAIN_CERTIFICATES_MAX) {
    chain.push(next.raw);
    next = next.issuerCertificate === next ? undefined : next.issuerCertificate;
  }
  return chain;
}
