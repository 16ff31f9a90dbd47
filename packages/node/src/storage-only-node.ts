/** The parts of a node that keeps chunks for a coordinator elsewhere. */
import { join } from "node:path";
import { ApiClient, recoverCertificate, renewCertificate } from "@hearthmesh/client";
import { MeshError, parseNodeId, parseTrustDomain, type Startable } from "@hearthmesh/core";
import { createVerifier, parseEndpoint, type TrustBundle } from "@hearthmesh/identity";
import type { Link } from "@hearthmesh/qwormhole";
import type { Config } from "./config/config.js";
import { CredentialHolder } from "./credential-holder.js";
import { type NodeRecord, nodeFiles, readCredentials } from "./home.js";
import { LinkDoors } from "./link-doors.js";
import { keyPairOf, type Tools } from "./member-authority.js";
import { MethodRouter, principalOf } from "./method-router.js";
import { PeerLinks } from "./peer-links.js";
import { Renewal } from "./renewal.js";
import { RevocationMirror } from "./revocation-mirror.js";
import { storageDoor } from "./storage-doors.js";
import { StoragePart } from "./storage-part.js";

type Contact = NonNullable<NodeRecord["coordinator"]>;

export async function storageOnlyNode(
  config: Config,
  record: NodeRecord,
  tools: Tools,
): Promise<Startable[]> {
  const contact = contactOf(record);
  const files = nodeFiles(config, record);
  const startedAtMs = tools.clock.monotonicMs();
  const credentials = new CredentialHolder(files, await readCredentials(files));
  const { keyPem, caCertificatePem } = credentials.current;
  const bundle: TrustBundle = {
    trustDomain: parseTrustDomain(record.trustDomain),
    sequence: 1,
    caCertificatesPem: [caCertificatePem],
  };
  const mirror = await RevocationMirror.open({
    path: join(config.home, "revocations.json"),
    bundle,
    onRevoked: (nodeId) => links.cut(nodeId, new MeshError("MESH_CERT_REVOKED")),
  });
  const router = new MethodRouter((principal) => {
    mirror.check(principal);
    if (tools.clock.nowMs() > principal.notAfterMs) throw new MeshError("MESH_CERT_EXPIRED");
  });
  router.add({
    prefixes: ["node."],
    handlers: { onRequest: (request) => mirror.onRequest(request) },
  });
  const verifier = createVerifier(bundle);
  const principalFrom = (certificates: readonly Uint8Array[]) => {
    const principal = verifier.verify(certificates, { nowMs: tools.clock.nowMs() });
    mirror.check(principal);
    return principal;
  };
  const { publicKeyPem } = keyPairOf(keyPem);
  const links = new LinkDoors({
    address: config.links,
    credentials,
    publicKeyPem,
    router,
    principalOf: principalFrom,
    self: () => {
      throw new MeshError("MESH_INTERNAL", { message: "a storage node has no use for itself" });
    },
    ...tools,
  });
  const peers = new PeerLinks(record, links, tools);
  const dialCoordinator = (signal: AbortSignal) => dial(links, contact, signal);
  const storage = await StoragePart.open({
    config,
    record,
    files,
    peers,
    dialCoordinator,
    ...tools,
  });
  router.add({ prefixes: ["chunk."], handlers: storage.node.handlers });
  const door = storageDoor({ config, record, storage, credentials, links, startedAtMs, ...tools });
  const renewal = renewalOf(contact, credentials, tools);
  const closePeers = {
    name: "peer links",
    start: async () => undefined,
    stop: () => peers.close(),
  };
  return [renewal, links, storage, closePeers, door];
}

function contactOf(record: NodeRecord): Contact {
  if (record.coordinator !== undefined) return record.coordinator;
  throw new MeshError("MESH_CONFIG_INVALID", {
    message: `${record.name} does not know its coordinator`,
    hint: "Remove MESH_HOME and join again with a new invite.",
  });
}

/** Tries the coordinator's addresses in order; whoever answers must be the coordinator. */
async function dial(links: LinkDoors, contact: Contact, signal: AbortSignal): Promise<Link> {
  let failure: unknown = new MeshError("MESH_UNREACHABLE", { message: "no address is known" });
  const expectedNodeId = parseNodeId(contact.nodeId);
  for (const address of contact.linkAddresses) {
    try {
      const link = await links.dial(parseEndpoint(address), { expectedNodeId, signal });
      if (principalOf(link.peer).kind === "coordinator") return link;
      link.destroy(new MeshError("MESH_CERT_UNTRUSTED"));
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

function renewalOf(contact: Contact, credentials: CredentialHolder, tools: Tools): Renewal {
  const { keyPem, caCertificatePem } = credentials.current;
  const keyPair = keyPairOf(keyPem);
  const { clock } = tools;
  return new Renewal({
    credentials,
    ...tools,
    renew: async () => {
      const addresses = contact.apiAddresses;
      const api = new ApiClient({ addresses, credentials: credentials.current, clock });
      try {
        const renewed = await renewCertificate(api, { keyPair, caCertificatePem, clock });
        return renewed.certificatePem;
      } finally {
        api.close();
      }
    },
    recover: async () => {
      const { enrolmentAddresses } = contact;
      const options = { enrolmentAddresses, caCertificatePem, keyPair, clock };
      return (await recoverCertificate(options)).certificatePem;
    },
  });
}
