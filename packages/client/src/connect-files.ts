/** A file client over the network: links to the coordinator and straight to the storage nodes. */
import { coordinatorOverLink, FileClient, LinkPool, type NodeInfo } from "@hearthmesh/collective";
import { type Clock, type Logger, MeshError, type Random } from "@hearthmesh/core";
import {
  createVerifier,
  type Principal,
  publicKeyDerOf,
  signerOf,
  type TrustBundle,
} from "@hearthmesh/identity";
import {
  dialLink,
  type LinkOptions,
  type Peer,
  type Transport,
  tlsTransport,
} from "@hearthmesh/qwormhole";
import type { LoadedCollective } from "./credentials.js";
import { bundleOf } from "./server-check.js";

export interface ConnectFilesOptions {
  collective: LoadedCollective;
  clock: Clock;
  random: Random;
  log: Logger;
}

export interface FileConnection {
  readonly files: FileClient;
  /** Ends every link. */
  close(): Promise<void>;
}

/** Dials when files are first used; nothing happens before. */
export function connectFiles(options: ConnectFilesOptions): FileConnection {
  const { collective, clock, random, log } = options;
  const { keyPair, credentials, record } = collective;
  const transport: Transport = tlsTransport({
    credentials: () => ({
      keyPem: credentials.keyPem,
      certificatePem: credentials.certificatePem,
      caPem: credentials.caCertificatePem,
    }),
  });
  const link: LinkOptions = {
    identity: {
      publicKey: publicKeyDerOf(keyPair.publicKeyPem),
      sign: signerOf(keyPair.privateKeyPem),
    },
    handlers: {},
    tags: {},
    verifyPeer: peerCheck(bundleOf(credentials.caCertificatePem), clock),
    clock,
    random,
  };
  const pool = new LinkPool({
    dial: (address, { expectedNodeId, signal }) =>
      dialLink(transport, address, { ...link, expectedNodeId, signal }),
    clock,
    log,
  });
  const coordinator = coordinatorNode(record);
  const files = new FileClient({
    coordinator: coordinatorOverLink((signal) => pool.linkTo(coordinator, signal)),
    links: pool,
    self: keyPair.nodeId,
    clock,
    random,
    log,
  });
  return { files, close: () => pool.close() };
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

/** The coordinator as a node of the pool; when it stores chunks too, both uses share one link. */
function coordinatorNode(record: LoadedCollective["record"]): NodeInfo {
  return {
    nodeId: record.coordinator.nodeId,
    name: `coordinator of ${record.name}`,
    memberId: record.memberId,
    roles: ["coordinator"],
    addresses: record.coordinator.linkAddresses,
    version: "",
    state: "online",
    lastSeenMs: 0,
  };
}
