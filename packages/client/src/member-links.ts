/** Links to the machines of one member, with a person's certificate. */
import { LinkPool } from "@hearthmesh/collective/client";
import { type Clock, type Logger, MeshError, type Random } from "@hearthmesh/core";
import {
  createVerifier,
  type KeyPairPem,
  type Principal,
  publicKeyDerOf,
  signerOf,
  type TrustBundle,
} from "@hearthmesh/identity";
import { dialLink, type LinkOptions, type Peer, tlsTransport } from "@hearthmesh/qwormhole";

export interface MemberLinksOptions {
  readonly keyPair: KeyPairPem;
  readonly certificatePem: string;
  /** Of the member at the other end: nobody else is taken for one of its machines. */
  readonly bundle: TrustBundle;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Dials when a link is first needed. */
export function memberLinks(options: MemberLinksOptions): LinkPool {
  const { keyPair, certificatePem, bundle, clock, random, log } = options;
  const transport = tlsTransport({
    credentials: () => ({
      keyPem: keyPair.privateKeyPem,
      certificatePem,
      caPem: [...bundle.caCertificatesPem],
    }),
  });
  const link: LinkOptions = {
    identity: {
      publicKey: publicKeyDerOf(keyPair.publicKeyPem),
      sign: signerOf(keyPair.privateKeyPem),
    },
    handlers: {},
    tags: {},
    verifyPeer: peerCheck(bundle, clock),
    clock,
    random,
  };
  return new LinkPool({
    dial: (address, { expectedNodeId, signal }) =>
      dialLink(transport, address, { ...link, expectedNodeId, signal }),
    clock,
    log,
  });
}

/** Accepts nodes and coordinators of this member, whose key is the one of their certificate. */
function peerCheck(bundle: TrustBundle, clock: Clock): (peer: Omit<Peer, "identity">) => Principal {
  const verifier = createVerifier(bundle);
  return (peer) => {
    const principal = verifier.verify(peer.certificates, { nowMs: clock.nowMs() });
    if (principal.nodeId !== peer.nodeId || principal.kind === "person") {
      throw new MeshError("MESH_CERT_UNTRUSTED", {
        message: `${peer.remoteAddress} showed a certificate that is not a node's own`,
      });
    }
    return principal;
  };
}
