/**
 * The storage role beside a coordinator: registered with the coordinator that leads, which may be
 * the one of this process.
 */
import type { Leader } from "@hearthmesh/collective";
import { notLeading } from "@hearthmesh/collective";
import { publicKeyDerOf } from "@hearthmesh/identity";
import type { Link } from "@hearthmesh/qwormhole";
import type { Config } from "../config/config.js";
import type { NodeFiles, NodeRecord } from "../home.js";
import type { LinkDoors } from "../link-doors.js";
import type { MemberGround } from "../member-authority.js";
import type { MethodRouter } from "../method-router.js";
import type { PeerLinks } from "../peer-links.js";
import { StoragePart } from "../storage-part.js";
import type { Tools } from "../tools.js";

export interface CoordinatorStorageOptions extends Tools {
  config: Config;
  record: NodeRecord;
  files: NodeFiles;
  publicKeyPem: string;
  ground: MemberGround;
  links: LinkDoors;
  peers: PeerLinks;
  /** Gets the methods of chunks. */
  router: MethodRouter;
}

/** Undefined on a node without the role. */
export async function openStorage(
  options: CoordinatorStorageOptions,
): Promise<StoragePart | undefined> {
  if (!options.record.roles.includes("storage")) return undefined;
  const { record, publicKeyPem, ground, links, peers } = options;
  const { leadership } = ground;
  const own = { coordinatorPublicKey: publicKeyDerOf(publicKeyPem) };
  /** The link in memory of the last dial, when this node led then. */
  let toItself: Link | undefined;
  let dialled: Leader["nodeId"] | undefined;
  const storage = await StoragePart.open({
    ...options,
    ownCoordinator: () => (toItself === undefined ? undefined : own),
    dialCoordinator: async () => {
      const { leader } = leadership.state;
      if (leader === undefined) throw notLeading(leadership.state);
      dialled = leader.nodeId;
      toItself = dialled === record.nodeId ? await links.dialSelf() : undefined;
      return toItself ?? peers.linkToAddresses(leader.nodeId, leader.data.linkAddresses);
    },
    // Links to other nodes are shared; the one in memory is the agent's own.
    releaseLink: async (link) => {
      if (link === toItself) await link.close("the node is done with this link");
    },
  });
  options.router.add({ prefixes: ["chunk."], handlers: storage.node.handlers });
  leadership.onChange(() => {
    const { leader } = leadership.state;
    if (leader !== undefined && leader.nodeId !== dialled) storage.agent.reconnect();
  });
  return storage;
}
