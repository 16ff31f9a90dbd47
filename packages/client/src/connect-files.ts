/** A file client over the network: links to the coordinator and straight to the storage nodes. */
import {
  type CoordinatorPort,
  coordinatorOverLink,
  FileClient,
  LinkPool,
  type NodeInfo,
} from "@hearthmesh/collective";
import { type Clock, fromWireError, type Logger, MeshError, type Random } from "@hearthmesh/core";
import {
  createVerifier,
  type Principal,
  publicKeyDerOf,
  signerOf,
  type TrustBundle,
} from "@hearthmesh/identity";
import {
  dialLink,
  type Link,
  type LinkOptions,
  type Peer,
  type Transport,
  tlsTransport,
} from "@hearthmesh/qwormhole";
import { ApiClient } from "./api-client.js";
import type { CoordinatorContact, CoordinatorFinder } from "./coordinator-finder.js";
import { askCoordinators, asUnsent } from "./coordinator-finder-failover.js";
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
  const { keyPair, credentials, record, finder } = collective;
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
  const learner = learnerOf(options);
  const files = new FileClient({
    coordinator: coordinatorPort({ pool, finder, memberId: record.memberId, clock, random }, () =>
      learner?.learnCoordinators(),
    ),
    links: pool,
    self: keyPair.nodeId,
    clock,
    random,
    log,
  });
  return {
    files,
    async close() {
      await learner?.settled();
      learner?.close();
      await pool.close();
    },
  };
}

/** Asks the API for the coordinators; undefined when no address of an API is known. */
function learnerOf({ collective, clock }: ConnectFilesOptions): ApiClient | undefined {
  const { finder, credentials } = collective;
  if (finder.addresses("apiAddresses").length === 0) return undefined;
  return new ApiClient({ finder, credentials, clock });
}

interface PortParts {
  readonly pool: LinkPool;
  readonly finder: CoordinatorFinder;
  readonly memberId: NodeInfo["memberId"];
  readonly clock: Clock;
  readonly random: Random;
}

/** Reading may be repeated at another coordinator; `FileClient` knows what else may be. */
const REPEATABLE = ["file.stat", "file.list", "file.open"];

/** Calls over the link to a coordinator, and to another one when that is away. */
function coordinatorPort(parts: PortParts, onAnswer: () => void): CoordinatorPort {
  const { pool, finder, memberId, clock, random } = parts;
  const contactOf = (nodeId: string) => finder.contacts.find((one) => one.nodeId === nodeId);
  return {
    call: (method, header, body, options) =>
      askCoordinators(
        {
          places: () => finder.contacts.map(({ nodeId }) => nodeId),
          isRepeatable: REPEATABLE.includes(method),
          clock,
          random,
          signal: options?.signal,
          onAnswer(nodeId) {
            finder.answered(nodeId);
            onAnswer();
          },
          onFailure: (nodeId, error) => finder.failed(nodeId, error),
        },
        async (nodeId) => {
          const contact = contactOf(nodeId);
          if (contact === undefined) throw asUnsent(new MeshError("MESH_UNREACHABLE"));
          const node = coordinatorNode(contact, memberId);
          const link = await pool.linkTo(node, options?.signal).catch((error: unknown) => {
            throw asUnsent(fromWireError(error));
          });
          requireCoordinator(link);
          return coordinatorOverLink(async () => link).call(method, header, body, options);
        },
      ),
  };
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

/** A node of the member is no coordinator, whatever a list of coordinators says. */
function requireCoordinator({ peer }: Link): void {
  if ((peer.identity as Principal | undefined)?.kind === "coordinator") return;
  throw asUnsent(
    new MeshError("MESH_CERT_UNTRUSTED", {
      message: `${peer.remoteAddress} is a node of the member, and not a coordinator`,
    }),
  );
}

/** The coordinator as a node of the pool; when it stores chunks too, both uses share one link. */
function coordinatorNode(contact: CoordinatorContact, memberId: NodeInfo["memberId"]): NodeInfo {
  return {
    nodeId: contact.nodeId,
    name: contact.name,
    memberId,
    roles: ["coordinator"],
    addresses: contact.linkAddresses,
    version: "",
    state: "online",
    lastSeenMs: 0,
  };
}
