/**
 * The certificates of callers. Reading a chain out of a TLS socket is slow, so it is done once for
 * a socket; who the chain belongs to and whether it is still good is asked anew at every request.
 */

import type { Socket } from "node:net";
import type { PeerCertificate } from "node:tls";
import { TLSSocket } from "node:tls";
import { limits, MeshError, type NodeId, type TrustDomain } from "@hearthmesh/core";
import { isForeign, type Principal } from "@hearthmesh/identity";
import type { AuthorityService } from "../services.js";

/** Certificates of a chain that are looked at: a leaf, the CA, and room for one between. */
const CHAIN_CERTIFICATES_MAX = 3;

export class PeerChains {
  readonly #authority: Pick<AuthorityService, "principal">;
  readonly #chains = new WeakMap<Socket, readonly Uint8Array[]>();
  readonly #sockets = new Map<NodeId, Set<Socket>>();
  /** Of peers: the domain that each was verified for. */
  readonly #foreign = new Map<Socket, TrustDomain>();

  constructor(authority: Pick<AuthorityService, "principal">) {
    this.#authority = authority;
  }

  /**
   * Who is at the other end. Throws `MESH_UNAUTHENTICATED`, `MESH_CERT_*`, or `MESH_LIMIT` when all
   * people and machines of its member together have too many connections; this one is ended then.
   */
  principalOf(socket: Socket): Principal {
    let chain = this.#chains.get(socket);
    const isNew = chain === undefined;
    chain ??= readChain(socket);
    const principal = this.#authority.principal(chain);
    if (isNew) {
      this.#requirePlace(socket, principal);
      this.#remember(socket, chain, principal);
    }
    return principal;
  }

  /** A peer makes as many keys as it likes: this member's own must still find a place. */
  #requirePlace(socket: Socket, principal: Principal): void {
    if (!isForeign(principal)) return;
    const { trustDomain } = principal;
    const taken = [...this.#foreign.values()].filter((domain) => domain === trustDomain).length;
    if (taken < limits.LINKS_OF_MEMBER_MAX) return;
    socket.destroy();
    throw new MeshError("MESH_LIMIT", { message: `${trustDomain} has ${taken} connections` });
  }

  /** Ends every connection of this key. */
  destroy(nodeId: NodeId): number {
    const sockets = [...(this.#sockets.get(nodeId) ?? [])];
    for (const socket of sockets) socket.destroy();
    return sockets.length;
  }

  /** Ends every connection of a peer's people and machines that is not good any longer. */
  recheck(trustDomain: TrustDomain): number {
    const concerned = [...this.#foreign].filter(([, domain]) => domain === trustDomain);
    let count = 0;
    for (const [socket] of concerned) {
      try {
        this.principalOf(socket);
      } catch {
        socket.destroy();
        count++;
      }
    }
    return count;
  }

  #remember(socket: Socket, chain: readonly Uint8Array[], principal: Principal): void {
    const { nodeId } = principal;
    this.#chains.set(socket, chain);
    if (isForeign(principal)) this.#foreign.set(socket, principal.trustDomain);
    const sockets = this.#sockets.get(nodeId) ?? new Set();
    sockets.add(socket);
    this.#sockets.set(nodeId, sockets);
    socket.once("close", () => {
      this.#foreign.delete(socket);
      sockets.delete(socket);
      if (sockets.size === 0 && this.#sockets.get(nodeId) === sockets) this.#sockets.delete(nodeId);
    });
  }
}

function readChain(socket: Socket): readonly Uint8Array[] {
  const chain: Uint8Array[] = [];
  if (socket instanceof TLSSocket && socket.authorized) {
    let certificate: PeerCertificate | undefined = socket.getPeerCertificate(true);
    while (certificate?.raw !== undefined && chain.length < CHAIN_CERTIFICATES_MAX) {
      chain.push(certificate.raw);
      const issuer: PeerCertificate | undefined =
        "issuerCertificate" in certificate
          ? (certificate.issuerCertificate as PeerCertificate | undefined)
          : undefined;
      // A self-signed certificate names itself as its issuer.
      certificate = issuer === certificate ? undefined : issuer;
    }
  }
  if (chain.length === 0) throw new MeshError("MESH_UNAUTHENTICATED");
  return chain;
}
