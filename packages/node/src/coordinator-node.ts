/** The parts of a node that is its member's coordinator, in the order in which they start. */

import { writePrivate } from "@hearthmesh/client/private-files";
import { Coordinator } from "@hearthmesh/collective";
import { parseMemberId, type Startable } from "@hearthmesh/core";
import { publicKeyDerOf, signerOf } from "@hearthmesh/identity";
import type { Config } from "./config/config.js";
import { CoordinatorPart } from "./coordinator-part.js";
import { CredentialHolder } from "./credential-holder.js";
import { type NodeFiles, type NodeRecord, nodeFiles, readCertificate, readKey } from "./home.js";
import { LinkDoors } from "./link-doors.js";
import {
  coordinatorCertificate,
  keyPairOf,
  type MemberGround,
  openMember,
  type Tools,
} from "./member-authority.js";
import { CoordinatorMesh, LinkCallers } from "./mesh/coordinator-mesh.js";
import { Guests, isGuest } from "./mesh/guests.js";
import { MeshSecretKeeper } from "./mesh/mesh-secret-keeper.js";
import { MethodRouter, principalOf } from "./method-router.js";
import { PeerLinks } from "./peer-links.js";
import { Renewal } from "./renewal.js";
import { StoragePart } from "./storage-part.js";

export async function coordinatorNode(
  config: Config,
  record: NodeRecord,
  tools: Tools,
): Promise<Startable[]> {
  const files = nodeFiles(config, record);
  const ground = await openMember(record, files, tools);
  try {
    return await composeCoordinator(config, record, files, ground, tools);
  } catch (error) {
    await closeGround(ground);
    throw error;
  }
}

async function composeCoordinator(
  config: Config,
  record: NodeRecord,
  files: NodeFiles,
  ground: MemberGround,
  tools: Tools,
): Promise<Startable[]> {
  const { authority } = ground;
  const startedAtMs = tools.clock.monotonicMs();
  const credentials = await ownCredentials(config, record, files, ground);
  const { keyPem } = credentials.current;
  const { publicKeyPem } = keyPairOf(keyPem);
  const coordinator = await makeCoordinator(config, record, files, ground, credentials, tools);
  const callers = new LinkCallers(authority, new Guests(authority.introductions, tools.clock));
  const router = new MethodRouter((principal) => callers.check(principal));
  router.add({ prefixes: ["node.", "file."], handlers: coordinator.handlers() });
  const links = new LinkDoors({
    address: config.links,
    credentials,
    publicKeyPem,
    router,
    principalOf: (certificates, host) => callers.principalOf(certificates, host),
    foreignAuthoritiesPem: () => callers.guests.caCertificatesPem(),
    self: () => authority.localOperator(),
    onOpened: (link, origin) => {
      if (!isGuest(principalOf(link.peer))) part.accept(link);
      mesh?.mesh.adopt(link, origin);
    },
    ...tools,
  });
  const secrets = await openSecrets(files, tools);
  const meshOptions = { config, record, credentials, publicKeyPem, files, secrets, authority };
  const mesh =
    config.mesh.enabled === "false"
      ? undefined
      : new CoordinatorMesh({ ...meshOptions, ...tools }, links, callers.guests);
  for (const methods of mesh?.mesh.methods() ?? []) router.add(methods);
  const peers = new PeerLinks(record, links, () => mesh?.mesh.parts.links, tools);
  const part = new CoordinatorPart({
    config,
    record,
    ground,
    coordinator,
    credentials,
    links,
    peers,
    mesh,
    startedAtMs,
    ...tools,
  });
  const parts: Startable[] = [
    { name: "store", start, stop: () => closeGround(ground) },
    part,
    links,
    ...(mesh === undefined ? [] : [mesh]),
  ];
  if (record.roles.includes("storage")) {
    const dialCoordinator = () => links.dialSelf();
    const ownCoordinator = { coordinatorPublicKey: publicKeyDerOf(publicKeyPem) };
    const storage = await StoragePart.open({
      ownCoordinator,
      config,
      record,
      files,
      peers,
      dialCoordinator,
      ...tools,
    });
    router.add({ prefixes: ["chunk."], handlers: storage.node.handlers });
    parts.push(storage);
  }
  const renew = () => coordinatorCertificate(authority, config, record, keyPem);
  parts.push({ name: "peer links", start, stop: () => peers.close() });
  parts.push(new Renewal({ credentials, renew, recover: renew, ...tools }));
  return parts;
}

function openSecrets({ meshSecret }: NodeFiles, { random, log }: Tools): Promise<MeshSecretKeeper> {
  return MeshSecretKeeper.open({ path: meshSecret, isCoordinator: true, random, log });
}

/** Parts that are open already start by doing nothing. */
const start = async () => undefined;

async function closeGround({ authority, store }: MemberGround): Promise<void> {
  await authority.close();
  await store.close();
}

/** Every start takes a new certificate: it is the coordinator's own to give. */
async function ownCredentials(
  config: Config,
  record: NodeRecord,
  files: NodeFiles,
  { authority }: MemberGround,
): Promise<CredentialHolder> {
  const keyPem = await readKey(files.key);
  const certificatePem = await coordinatorCertificate(authority, config, record, keyPem);
  await writePrivate(files.certificate, certificatePem);
  const caCertificatePem = await readCertificate(files.caCertificate);
  return new CredentialHolder(files, { keyPem, certificatePem, caCertificatePem });
}

async function makeCoordinator(
  config: Config,
  record: NodeRecord,
  files: NodeFiles,
  { authority, store, epoch }: MemberGround,
  credentials: CredentialHolder,
  tools: Tools,
): Promise<Coordinator> {
  const { keyPem } = credentials.current;
  return new Coordinator({
    store,
    access: authority,
    sign: signerOf(keyPem),
    publicKeyDer: publicKeyDerOf(keyPairOf(keyPem).publicKeyPem),
    nodeId: record.nodeId,
    memberId: parseMemberId(record.memberId),
    epoch,
    coordinatorSecret: Buffer.from(await readKey(files.receiptSecret), "base64url"),
    replicas: config.replicas,
    acks: config.acks,
    rolesOf: (principal) =>
      principal.nodeId === record.nodeId
        ? record.roles
        : (authority.identity(principal.nodeId)?.roles ?? []),
    intervals: { repairMs: config.repairIntervalMs, garbageGraceMs: config.garbageGraceMs },
    ...tools,
  });
}
