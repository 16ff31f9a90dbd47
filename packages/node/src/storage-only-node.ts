/** The parts of a node that keeps chunks for a coordinator elsewhere. */
import { join } from "node:path";
import { ApiClient, recoverCertificate, renewCertificate } from "@hearthmesh/client";
import {
  MeshError,
  type NodeId,
  parseNodeId,
  parseTrustDomain,
  type Startable,
} from "@hearthmesh/core";
import { NodeDoor } from "@hearthmesh/gateway/plain";
import { createVerifier, parseEndpoint, type TrustBundle } from "@hearthmesh/identity";
import type { Link } from "@hearthmesh/qwormhole";
import type { Config } from "./config/config.js";
import { CredentialHolder } from "./credential-holder.js";
import { type NodeFiles, type NodeRecord, nodeFiles, readCredentials } from "./home.js";
import { LinkDoors } from "./link-doors.js";
import { keyPairOf, type Tools } from "./member-authority.js";
import { MeshPart } from "./mesh/mesh-part.js";
import type { MeshPartsOptions } from "./mesh/mesh-parts.js";
import { MeshSecretKeeper } from "./mesh/mesh-secret-keeper.js";
import { MethodRouter, principalOf } from "./method-router.js";
import { PeerLinks } from "./peer-links.js";
import { Renewal } from "./renewal.js";
import { RevocationMirror } from "./revocation-mirror.js";
import { storageDoor, storageHealth } from "./storage-doors.js";
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
    onRevoked: (nodeId) => {
      links.cut(nodeId, new MeshError("MESH_CERT_REVOKED"));
      mesh?.forget(nodeId);
    },
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
    onOpened: (link, origin) => mesh?.adopt(link, origin),
    ...tools,
  });
  const meshOptions = { config, record, credentials, publicKeyPem, doors: links, files, bundle };
  const isRevoked = (nodeId: NodeId) => mirror.isRevoked(nodeId);
  const mesh = await openMesh({ ...meshOptions, isRevoked, ...tools });
  for (const methods of mesh?.methods() ?? []) router.add(methods);
  const peers = new PeerLinks(record, links, () => mesh?.parts.links, tools);
  const storage = await StoragePart.open({
    config,
    record,
    files,
    peers,
    dialCoordinator: (signal) => coordinatorLink(links, mesh, contact, signal),
    // The mesh keeps its links for everybody.
    ...(mesh === undefined ? {} : { releaseLink: async () => undefined }),
    ...tools,
  });
  router.add({ prefixes: ["chunk."], handlers: storage.node.handlers });
  const doorOptions = { config, record, storage, credentials, links, mesh, startedAtMs };
  const metrics = storageDoor({ ...doorOptions, ...tools });
  const renewal = renewalOf(contact, credentials, tools);
  const closePeers = {
    name: "peer links",
    start: async () => undefined,
    stop: () => peers.close(),
  };
  if (mesh === undefined) return [renewal, links, storage, closePeers, metrics];
  const health = async () => storageHealth(storage);
  const door = new NodeDoor({ ...config.http, ...tools, mesh, health, ready: health });
  return [renewal, links, mesh, storage, closePeers, metrics, door];
}

/** Undefined while the mesh is off. */
async function openMesh(
  options: Omit<MeshPartsOptions, "secrets"> & { files: NodeFiles },
): Promise<MeshPart | undefined> {
  const { config, files, random, log } = options;
  if (config.mesh.enabled === "false") return undefined;
  const path = files.meshSecret;
  const secrets = await MeshSecretKeeper.open({ path, isCoordinator: false, random, log });
  return new MeshPart({ ...options, secrets });
}

/** The link that is open; else by the coordinator's own addresses; else as the mesh knows. */
async function coordinatorLink(
  links: LinkDoors,
  mesh: MeshPart | undefined,
  contact: Contact,
  signal: AbortSignal,
): Promise<Link> {
  const nodeId = parseNodeId(contact.nodeId);
  const table = mesh?.parts.links;
  const open = table?.openLink(nodeId);
  if (open !== undefined) return open;
  try {
    const dialled = await dial(links, contact, signal);
    return table?.openLink(nodeId) ?? dialled;
  } catch (error) {
    if (table === undefined) throw error;
    return table.linkTo(nodeId, { signal });
  }
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
