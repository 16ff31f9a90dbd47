/** The parts of a node that is its member's coordinator, in the order in which they start. */

import { writePrivate } from "@hearthmesh/client/private-files";
import { Coordinator, type CoordinatorOptions, type CopiesOptions } from "@hearthmesh/collective";
import { type NodeId, parseMemberId, type Startable } from "@hearthmesh/core";
import { publicKeyDerOf, signerOf } from "@hearthmesh/identity";
import type { PeerInfo } from "@hearthmesh/membership";
import { openModelSources } from "./ai/model-sources.js";
import { certificatesWorker } from "./certificates-worker.js";
import type { Config } from "./config/config.js";
import { CoordinatorPart } from "./coordinator-part.js";
import { coordinatorSeat } from "./coordinators/coordinator-seat.js";
import { openStorage } from "./coordinators/coordinator-storage.js";
import { LeaderWatch } from "./coordinators/leader-watch.js";
import type { MemberLeadership } from "./coordinators/member-leadership.js";
import { type StoreDirections, secretsPart } from "./coordinators/member-secrets.js";
import type { StoreSight } from "./coordinators/member-store.js";
import { CredentialHolder } from "./credential-holder.js";
import { homeCopies, peerQuotaPart, quotaTerms } from "./federation/copies.js";
import { GatewayPeers } from "./federation/gateway-peers.js";
import { peerMethods } from "./federation/peer-methods.js";
import { healingParts, openMemberHealing } from "./healing/open-healing.js";
import { type NodeFiles, type NodeRecord, nodeFiles, readCertificate, readKey } from "./home.js";
import { keyPairOf } from "./key-pair.js";
import { LinkDoors } from "./link-doors.js";
import { coordinatorCertificate, type MemberGround, openMember } from "./member-authority.js";
import {
  CoordinatorMesh,
  type CoordinatorMeshOptions,
  LinkCallers,
} from "./mesh/coordinator-mesh.js";
import { Guests, isOfAnotherMember } from "./mesh/guests.js";
import { MeshSecretKeeper } from "./mesh/mesh-secret-keeper.js";
import { MethodRouter, principalOf } from "./method-router.js";
import { modelsOfMember } from "./models/model-access.js";
import { PeerLinks } from "./peer-links.js";
import { openPools } from "./pool/open-pools.js";
import { makeBackup } from "./recovery/backup-part.js";
import { ensureStoreKey } from "./recovery/store-key.js";
import { Renewal } from "./renewal.js";
import type { NodeTools, Tools } from "./tools.js";

export async function coordinatorNode(
  config: Config,
  record: NodeRecord,
  tools: NodeTools,
): Promise<Startable[]> {
  const files = nodeFiles(config, record);
  const ground = await openMember(config, record, files, tools);
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
  tools: NodeTools,
): Promise<Startable[]> {
  const { authority } = ground;
  const startedAtMs = tools.clock.monotonicMs();
  const credentials = await ownCredentials(config, record, files, ground);
  const { publicKeyPem } = keyPairOf(credentials.current.keyPem);
  const base = { config, record, files, ground, credentials, ...tools };
  const storeKey = await ensureStoreKey(files, tools.random);
  const copiesOf = (coordinator: () => Pick<Coordinator, "call">) =>
    homeCopies({
      ...{ nodeId: record.nodeId, authority, storeKey, coordinator, links: peers },
      peers: filesOfPeers,
      ...tools,
    });
  const renewal = ownRenewal(base);
  const startCoordinator = await coordinatorMaker(base, copiesOf, () => [
    backup.worker(),
    certificatesWorker({ renewal, peers: authority.peers, peering: part.peering }),
  ]);
  const callers = new LinkCallers(authority, new Guests(authority.introductions, tools.clock));
  const router = new MethodRouter((principal) => callers.check(principal));
  router.add(secretsPart(files, record.trustDomain, () => storeDirections(ground)));
  const links = new LinkDoors({
    ...{ address: config.links, credentials, publicKeyPem, router },
    principalOf: (certificates, host) => callers.principalOf(certificates, host),
    foreignAuthoritiesPem: () => callers.foreignAuthoritiesPem(),
    self: () => authority.localOperator(),
    onOpened: (link, origin) => {
      if (!isOfAnotherMember(principalOf(link.peer))) part.accept(link);
      mesh?.mesh.adopt(link, origin);
    },
    ...tools,
  });
  const secrets = await openSecrets(files, ground.leadership, tools);
  const meshOptions = { config, record, credentials, publicKeyPem, files, secrets, authority };
  const mesh = openMesh({ ...meshOptions, ...tools }, links, callers.guests);
  for (const methods of mesh?.mesh.methods() ?? []) router.add(methods);
  const poolOptions = { config, record, credentials, publicKeyPem, authority, ...tools };
  const pools = mesh && openPools({ ...poolOptions, mesh: mesh.mesh });
  for (const methods of pools?.methods ?? []) router.add(methods);
  ground.memberStore.learn(storeSight(ground, record, () => mesh?.mesh.parts.swim.peers()));
  const peers = new PeerLinks(record, links, () => mesh?.mesh.parts.links, tools);
  const seat = coordinatorSeat({ record, ground, startCoordinator, links, peers, ...tools });
  router.add({ prefixes: ["node.", "file.", "coordinator."], handlers: seat.handlers() });
  const own = { nodeId: record.nodeId, coordinator: seat, links: peers, authority };
  router.add(peerMethods({ ...own, ...tools }));
  router.add(peerQuotaPart(seat.handlers()));
  const peersOfOurs = { nodeId: record.nodeId, peers: authority.peers };
  const filesOfPeers = new GatewayPeers({ ...peersOfOurs, doors: links, credentials, ...tools });
  const { keys, friends } = copiesOf(() => seat);
  const backup = makeBackup({ ...base, authority, store: ground.store, keys, friends });
  const collective = modelsOfMember({ ...own, operator: () => authority.localOperator() });
  const models = openModelSources({ ...base, mesh: mesh?.mesh, pools, router, collective });
  const healing = openMemberHealing({ ...base, peers, router });
  const doors = { pools: pools?.doors, models: models.sources, startedAtMs, healing };
  const shared = { backup, seat, links, peers, filesOfPeers, mesh, ...doors };
  const part = new CoordinatorPart({ ...base, ...shared });
  const parts: Startable[] = [
    { name: "store", start, stop: () => closeGround(ground) },
    ground.leadership,
    part,
    links,
    ...(mesh === undefined ? [] : [mesh, new LeaderWatch(ground.leadership, mesh.mesh)]),
    ...(pools === undefined ? models.parts : [pools.part, ...models.parts]),
  ];
  const storage = await openStorage({ ...base, publicKeyPem, links, peers, router });
  if (storage !== undefined) parts.push(storage);
  parts.push(filesOfPeers, { name: "peer links", start, stop: () => peers.close() }, renewal);
  const touched = { renewal, links, peers, mesh: mesh?.mesh, models: models.sources };
  const coordinator = { ground, seat };
  const ready = () => part.ready();
  parts.push(...healingParts(healing, { ...base, ...touched, coordinator, storage, ready }));
  return parts;
}

/** Undefined while it is off. */
function openMesh(
  options: CoordinatorMeshOptions,
  links: LinkDoors,
  guests: Guests,
): CoordinatorMesh | undefined {
  if (options.config.mesh.enabled === "false") return undefined;
  return new CoordinatorMesh(options, links, guests);
}

function openSecrets(
  { meshSecret }: NodeFiles,
  leadership: MemberLeadership,
  { random, log }: Tools,
): Promise<MeshSecretKeeper> {
  const mayRotate = () => leadership.state.role === "leader";
  return MeshSecretKeeper.open({ path: meshSecret, isCoordinator: true, mayRotate, random, log });
}

/** What a machine that becomes a coordinator has to know about the store. */
function storeDirections({ memberStore, authority }: MemberGround): StoreDirections {
  const announced = authority.coordinators.list().flatMap(({ storeAddresses }) => storeAddresses);
  const addresses = [...new Set([...memberStore.addresses(), ...announced])];
  return { engine: memberStore.engine, addresses };
}

/**
 * What the supervisor of the store may know about the other coordinators. Without a mesh nobody can
 * say who is there, and all are taken to be.
 */
function storeSight(
  { authority }: MemberGround,
  record: NodeRecord,
  peers: () => readonly PeerInfo[] | undefined,
): StoreSight {
  const isHere = ({ state }: PeerInfo) => state === "alive" || state === "suspect";
  return {
    others: () => {
      const others = authority.coordinators.list().filter((one) => one.nodeId !== record.nodeId);
      // Storage nodes are alive too, and can take nobody's place in the store.
      const here = peers()
        ?.filter(isHere)
        .map(({ nodeId }) => nodeId as string);
      const ids = others.map(({ nodeId }) => nodeId);
      return {
        storeAddresses: others.flatMap(({ storeAddresses }) => storeAddresses),
        aliveNodeIds: here === undefined ? ids : ids.filter((nodeId) => here.includes(nodeId)),
      };
    },
    isRemoved: (nodeId) => authority.isRevoked(nodeId as NodeId),
  };
}

/** Parts that are open already start by doing nothing. */
const start = async () => undefined;

async function closeGround({ authority, memberStore }: MemberGround): Promise<void> {
  await authority.close();
  await memberStore.close();
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

interface Base extends Tools {
  config: Config;
  record: NodeRecord;
  files: NodeFiles;
  ground: MemberGround;
  credentials: CredentialHolder;
}

function ownRenewal({ config, record, ground, credentials, clock, random, log }: Base): Renewal {
  const { keyPem } = credentials.current;
  const renew = () => coordinatorCertificate(ground.authority, config, record, keyPem);
  return new Renewal({ credentials, renew, recover: renew, clock, random, log });
}

/** Makes the coordinator of an epoch; each has a link to nobody and begins with what is stored. */
async function coordinatorMaker(
  options: Base,
  copiesOf: (coordinator: () => Coordinator) => CopiesOptions,
  extraWorkers: NonNullable<CoordinatorOptions["extraWorkers"]>,
): Promise<(epoch: number) => Coordinator> {
  const { config, record, files, ground, credentials, clock, random, log } = options;
  const { authority, store, leadership, memberStore } = ground;
  const { keyPem } = credentials.current;
  const coordinatorSecret = Buffer.from(await readKey(files.receiptSecret), "base64url");
  const shared = memberStore.engine === "etcd";
  return (epoch) => {
    const coordinator: Coordinator = new Coordinator({
      store: leadership.fence(store),
      access: authority,
      sign: signerOf(keyPem),
      publicKeyDer: publicKeyDerOf(keyPairOf(keyPem).publicKeyPem),
      nodeId: record.nodeId,
      memberId: parseMemberId(record.memberId),
      epoch,
      requireLeading: () => leadership.requireLeading(),
      onRolledBack: (epoch) => leadership.leapAbove(epoch),
      openedRevision: ground.openedRevision,
      ...(shared ? { coordinators: () => authority.coordinators.list() } : {}),
      coordinatorSecret,
      replicas: config.replicas,
      acks: config.acks,
      autoJoin: config.layoutAutoJoin,
      isGateway: (nodeId) => authority.identity(nodeId)?.kind === "coordinator",
      rolesOf: (principal) =>
        principal.nodeId === record.nodeId
          ? record.roles
          : (authority.identity(principal.nodeId)?.roles ?? []),
      trashRetentionMs: config.trashRetentionMs,
      intervals: {
        repairMs: config.repairIntervalMs,
        nodeLostMs: config.nodeLostMs,
        garbageGraceMs: config.garbageGraceMs,
      },
      quotas: quotaTerms(authority),
      copies: copiesOf(() => coordinator),
      extraWorkers,
      clock,
      random,
      log,
    });
    return coordinator;
  };
}
