/** The parts of a node that keeps chunks for a coordinator elsewhere. */
import { MeshError, parseNodeId, type Startable } from "@hearthmesh/core";
import type { NodeServices } from "@hearthmesh/gateway";
import { type NodeApi, NodeDoor } from "@hearthmesh/gateway/plain";
import { decodePem, parseEndpoint } from "@hearthmesh/identity";
import type { InferenceService } from "@hearthmesh/pool";
import type { Link } from "@hearthmesh/qwormhole";
import { type NodeModels, openModelSources } from "./ai/model-sources.js";
import { storageCanary } from "./canary/storage-canary.js";
import type { Config } from "./config/config.js";
import type { CoordinatorContacts } from "./coordinators/coordinator-contacts.js";
import { type HealingDeps, healingParts, openHealing } from "./healing/open-healing.js";
import type { NodeContact, NodeRecord } from "./home.js";
import type { LinkDoors } from "./link-doors.js";
import { openMemberNode } from "./member-node.js";
import type { MeshPart } from "./mesh/mesh-part.js";
import { principalOf } from "./method-router.js";
import { readableModels } from "./models/model-access.js";
import { PeerLinks } from "./peer-links.js";
import { openPools } from "./pool/open-pools.js";
import { renewalFrom } from "./renewal-from.js";
import { storageDoor, storageHealth } from "./storage-doors.js";
import { StoragePart } from "./storage-part.js";
import type { NodeTools } from "./tools.js";
import { viewersOf } from "./viewer-list.js";

export async function storageOnlyNode(
  config: Config,
  record: NodeRecord,
  tools: NodeTools,
): Promise<Startable[]> {
  const startedAtMs = tools.clock.monotonicMs();
  const node = await openMemberNode(config, record, tools, (leader, known) => {
    if (known.heardOf(leader)) storage.agent.reconnect();
  });
  const { files, contacts, credentials, publicKeyPem, trust, router, links } = node;
  const mesh = config.mesh.enabled === "false" ? undefined : await node.openMesh();
  const poolOptions = { config, record, credentials, publicKeyPem, authority: undefined };
  const pools = mesh && openPools({ ...poolOptions, mesh, ...tools });
  for (const methods of pools?.methods ?? []) router.add(methods);
  const peers = new PeerLinks(record, links, () => mesh?.parts.links, tools);
  const storage = await StoragePart.open({
    ...{ config, record, files, peers, ...tools },
    dialCoordinator: (signal) => coordinatorLink(links, mesh, contacts, signal),
    onOtherLeader: (leader) => void contacts.heardOf(leader),
    onRegistered: ({ coordinators = [] }) => contacts.learn(coordinators),
    // The mesh keeps its links for everybody.
    ...(mesh === undefined ? {} : { releaseLink: async () => undefined }),
  });
  router.add({ prefixes: ["chunk."], handlers: storage.node.handlers });
  let ai: InferenceService | undefined;
  const canary = storageCanary({ chunkStore: storage.chunkStore, inference: () => ai, ...tools });
  const healing = openHealing({ config, record, files, contacts, peers, ...tools });
  const watched = { storage, canary, links, mesh, healing: healing?.metrics };
  const doorOptions = { config, record, credentials, startedAtMs, ...watched };
  const renewal = renewalFrom(contacts, credentials, tools);
  const { health, ready } = storageHealth(storage, canary);
  const heal = (upper: Pick<HealingDeps, "mesh" | "models">) => {
    const own = { config, record, credentials, renewal, links, peers, storage };
    const healed = { ...own, ...upper, coordinator: undefined, ready, ...tools };
    return healingParts(healing, healed);
  };
  if (!mesh || !pools) {
    const door = storageDoor({ ...doorOptions, ...tools });
    const off = heal({ mesh: undefined, models: undefined });
    return [renewal, links, storage, closing(peers), door, ...off];
  }
  const leader = (signal: AbortSignal) => coordinatorLink(links, mesh, contacts, signal);
  const collective = readableModels(leader, peers);
  const modelOptions = { config, record, credentials, mesh, pools, router, collective };
  const models = openModelSources({ ...modelOptions, ...tools });
  ai = models.sources.inference;
  const metrics = storageDoor({ ...doorOptions, models: models.sources.metrics, ...tools });
  const self = () =>
    trust.principalOf([decodePem("CERTIFICATE", credentials.current.certificatePem)]);
  const doors = { pools: pools.doors, healer: healing?.service, ...tools };
  const api = () => openNodeApi(models, mesh, { ...doors, operator: self() });
  const sight = { mesh, health, ready, isViewer: viewersOf(config) };
  const door = new NodeDoor({ ...config.http, ...tools, ...sight, api });
  const parts = [renewal, links, mesh, pools.part, ...models.parts, storage, closing(peers)];
  return [...parts, metrics, door, ...heal({ mesh, models: models.sources })];
}

/** The web framework is loaded when somebody asks for what needs it. */
async function openNodeApi(
  { sources }: NodeModels,
  { parts: { swim } }: MeshPart,
  services: NodeServices,
): Promise<NodeApi> {
  const { nodeApi, OpenAiService } = await import("@hearthmesh/gateway");
  const { openNodeEvents } = await import("./healing/node-events.js");
  const openAi = new OpenAiService({ ...sources, ...services });
  const { healer, operator } = services;
  const events = openNodeEvents({ ...services, nodeName: operator.name, healer, swim });
  const api = await nodeApi({ ...services, ...sources, openAi, events: events.feed });
  return { ...api, end: events.close };
}

function closing(peers: PeerLinks): Startable {
  return { name: "peer links", start: async () => undefined, stop: () => peers.close() };
}

/**
 * The coordinator that leads, else any: it says who does. The link that is open; else by its own
 * addresses; else as the mesh knows.
 */
async function coordinatorLink(
  links: LinkDoors,
  mesh: MeshPart | undefined,
  { contacts }: CoordinatorContacts,
  signal: AbortSignal,
): Promise<Link> {
  const table = mesh?.parts.links;
  let failure: unknown = new MeshError("MESH_UNREACHABLE", { message: "no address is known" });
  for (const contact of contacts) {
    const nodeId = parseNodeId(contact.nodeId);
    const open = table?.openLink(nodeId);
    if (open !== undefined) return open;
    try {
      const dialled = await dial(links, contact, signal);
      return table?.openLink(nodeId) ?? dialled;
    } catch (error) {
      signal.throwIfAborted();
      failure = error;
    }
  }
  for (const { nodeId } of table === undefined ? [] : contacts) {
    const link = await table?.linkTo(parseNodeId(nodeId), { signal }).catch(() => undefined);
    if (link !== undefined) return link;
  }
  throw failure;
}

/** Tries the coordinator's addresses in order; whoever answers must be the coordinator. */
async function dial(links: LinkDoors, contact: NodeContact, signal: AbortSignal): Promise<Link> {
  let failure: unknown = new MeshError("MESH_UNREACHABLE", { message: "no address is known" });
  const expectedNodeId = parseNodeId(contact.nodeId);
  for (const address of contact.linkAddresses) {
    try {
      const link = await links.dial(parseEndpoint(address), { expectedNodeId, signal });
      if (principalOf(link.peer).kind === "coordinator") return link;
      link.destroy(new MeshError("MESH_CERT_UNTRUSTED"));
    } catch (error) {
      signal.throwIfAborted();
      failure = error;
    }
  }
  throw failure;
}
