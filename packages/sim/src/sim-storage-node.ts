/** The program on a storage node's machine. */
import {
  type ChunkStore,
  type CopySource,
  LinkPool,
  NodeAgent,
  type NodeInfo,
  openPackStore,
  Scrubber,
  StorageNode,
} from "@hearthmesh/collective";
import type { MemberId, TrustDomain } from "@hearthmesh/core";
import type { TrustBundle } from "@hearthmesh/identity";
import { dialLink, type LinkOptions, listenLinks } from "@hearthmesh/qwormhole";
import { SIM_DOMAIN, SIM_MEMBER, type SimIdentity } from "./sim-identities.js";
import { LINK_PORT, principalByBundle, simLinkOptions } from "./sim-links.js";
import type { ProcessContext } from "./sim-machine.js";

/** What the operator lets the node use; its disk is larger. */
const CAPACITY_BYTES = 2 * 2 ** 30;
/** Small, so that packs fill up and are compacted within a run. */
const PACK_BYTES_MAX = 8 << 20;

export interface SimStorageNodeOptions {
  process: ProcessContext;
  identity: SimIdentity;
  coordinator: SimIdentity;
  bundle: TrustBundle;
}

export interface RunningStorageNode {
  readonly chunks: ChunkStore;
}

export async function startStorageNode(
  options: SimStorageNodeOptions,
): Promise<RunningStorageNode> {
  const { process, identity, coordinator, bundle } = options;
  const { clock, random, disk, log } = process;
  const chunks = await openPackStore({
    ...{ disk, clock, log },
    random: random.fork("packs"),
    capacityBytes: CAPACITY_BYTES,
    packBytesMax: PACK_BYTES_MAX,
    onDamaged: (id) => scrub.damaged(id),
  });
  const scrub: Scrubber = new Scrubber({
    ...{ chunkStore: chunks, disk, clock, log },
    random: random.fork("scrub"),
    busy: () => node.isBusy,
  });
  const principalOf = principalByBundle(bundle, process);
  const toOthers = simLinkOptions(process, identity, {}, principalOf);
  const node: StorageNode = new StorageNode({
    nodeId: identity.nodeId,
    chunkStore: chunks,
    ...{ clock, log },
    scrub,
    dial: dialSources(process, toOthers),
    trustDomain: SIM_DOMAIN as TrustDomain,
  });
  const link: LinkOptions = { ...toOthers, handlers: node.handlers };
  const address = { host: identity.name, port: LINK_PORT };
  await listenLinks(process.transport, address, link, () => undefined);
  const agent = new NodeAgent({
    ...{ clock, log },
    random: random.fork("agent"),
    dialCoordinator: (signal) =>
      dialLink(
        process.transport,
        { host: coordinator.name, port: LINK_PORT },
        { ...link, expectedNodeId: coordinator.nodeId, signal },
      ),
    describe: () => ({
      roles: ["storage"],
      site: identity.name,
      addresses: [`${identity.name}:${LINK_PORT}`],
      version: "sim",
    }),
    report: () => chunks.report(),
    onRegistered: (_response, registration) => node.setRegistration(registration),
  });
  await scrub.start();
  await agent.start();
  return { chunks };
}

/** Links to other storage nodes, for copies. */
function dialSources(process: ProcessContext, options: LinkOptions) {
  const pool = new LinkPool({
    clock: process.clock,
    log: process.log,
    dial: (address, { expectedNodeId, signal }) =>
      dialLink(process.transport, address, { ...options, expectedNodeId, signal }),
  });
  return ({ nodeId, addresses }: CopySource) => pool.linkTo(infoOf(nodeId, addresses));
}

function infoOf(nodeId: NodeInfo["nodeId"], addresses: readonly string[]): NodeInfo {
  return {
    nodeId,
    name: nodeId,
    memberId: SIM_MEMBER as MemberId,
    roles: ["storage"],
    addresses,
    version: "sim",
    state: "online",
    lastSeenMs: 0,
  };
}
