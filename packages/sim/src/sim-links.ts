/**
 * How simulated processes make links: the same checks as in the daemon, over the simulated network.
 */
import { MeshError } from "@hearthmesh/core";
import { createVerifier, type Principal, type TrustBundle } from "@hearthmesh/identity";
import type { LinkHandlers, LinkOptions, Peer } from "@hearthmesh/qwormhole";
import type { SimIdentity } from "./sim-identities.js";
import type { ProcessContext } from "./sim-machine.js";

/** Port of the coordinator's and every storage node's links. */
export const LINK_PORT = 9000;

/** Who the peer is by its certificate; throws to refuse. */
export type PrincipalOf = (certificates: readonly Uint8Array[]) => Principal;

/** By the CA alone, as storage nodes and clients do. */
export function principalByBundle(bundle: TrustBundle, process: ProcessContext): PrincipalOf {
  const verifier = createVerifier(bundle);
  return (certificates) => verifier.verify(certificates, { nowMs: process.clock.nowMs() });
}

export function simLinkOptions(
  process: ProcessContext,
  identity: SimIdentity,
  handlers: LinkHandlers,
  principalOf: PrincipalOf,
): LinkOptions {
  return {
    identity: identity.link,
    handlers,
    clock: process.clock,
    random: process.random.fork("links"),
    verifyPeer: (peer: Omit<Peer, "identity">) => {
      const principal = principalOf(peer.certificates);
      if (principal.nodeId === peer.nodeId) return principal;
      throw new MeshError("MESH_CERT_UNTRUSTED", {
        message: "the key of the link is not the key of the certificate",
      });
    },
  };
}
