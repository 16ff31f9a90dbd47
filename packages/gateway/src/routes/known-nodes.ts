/** This node, the nodes of its member, and introduced ones, in one list. */
import {
  type IntroductionRecord,
  type NodeIdentityClaim,
  type NodeInfo,
  nodeFingerprint,
} from "@hearthmesh/collective";
import { MeshError, type NodeId } from "@hearthmesh/core";
import type { PeerInfo } from "@hearthmesh/membership";
import type { KnownNode } from "../contracts/keys.js";
import type { GatewayServices } from "../services.js";

/** This node first, then those of its member by name, then introduced ones by name. */
export function knownNodes(services: GatewayServices): KnownNode[] {
  const { authority, introductions, operator } = services;
  const others = memberNodes(services).filter(({ nodeId }) => nodeId !== operator.nodeId);
  const introduced = authority.introductions.list();
  const self = selfNode(services, introductions?.self());
  return [
    self,
    ...others.sort((a, b) => (a.name < b.name ? -1 : 1)),
    ...introduced.map((record) => introducedNode(services, record)),
  ];
}

/** By name, by id, or by the beginning of an id when it fits one node alone. */
export function findKnownNode<Node extends { nodeId: string; name: string }>(
  nodes: readonly Node[],
  wanted: string,
): Node {
  const exact = nodes.filter((node) => node.nodeId === wanted || node.name === wanted);
  const started = wanted.length < 6 ? [] : nodes.filter((node) => node.nodeId.startsWith(wanted));
  const found = exact.length > 0 ? exact : started;
  const [node] = found;
  if (node === undefined) {
    throw new MeshError("MESH_NOT_FOUND", {
      message: `no node has the name or id ${JSON.stringify(wanted)}`,
      hint: "`mesh node list` and `mesh node introduced` show the nodes.",
    });
  }
  if (found.length > 1) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `${found.length} nodes fit ${JSON.stringify(wanted)}`,
      hint: "Use the whole id: `mesh node list` and `mesh node introduced` show it.",
    });
  }
  return node;
}

/** What is given here stands beside what the node says of itself. */
export function introducedNode(services: GatewayServices, record: IntroductionRecord): KnownNode {
  const { nodeId, name, url, memberId, fingerprint } = record;
  const now = services.introductions?.watch.stateOf(nodeId);
  const reported = now?.reported;
  return {
    nodeId,
    name,
    reportedName: reported?.name ?? record.reportedName,
    url,
    capabilities: [...record.capabilities],
    reportedCapabilities: [...(reported?.capabilities ?? record.reportedCapabilities)],
    memberId,
    state: now?.state ?? "unknown",
    ...(now?.reason === undefined ? {} : { reason: now.reason }),
    trust: "introduced",
    scopes: [...record.scopes],
    fingerprint,
    lastSeenMs: now?.lastSeenMs ?? null,
    addresses: [...(reported?.linkAddresses ?? record.linkAddresses)],
    allowIps: allowIps(services, nodeId),
  };
}

function selfNode(services: GatewayServices, claim: NodeIdentityClaim | undefined): KnownNode {
  const { operator, member, coordinatorContact, clock } = services;
  const { nodeId, name } = operator;
  return {
    nodeId,
    name,
    capabilities: [...(claim?.capabilities ?? [])],
    memberId: member.id,
    state: "online",
    trust: "self",
    fingerprint: nodeFingerprint(nodeId),
    lastSeenMs: clock.nowMs(),
    addresses: [...coordinatorContact.linkAddresses()],
    allowIps: [],
  };
}

/** Those that the coordinator knows and those that membership knows: mostly the same. */
function memberNodes(services: GatewayServices): KnownNode[] {
  const { authority, coordinator, introductions, member } = services;
  const infos = new Map<NodeId, NodeInfo>(coordinator.nodes().map((one) => [one.nodeId, one]));
  const peers = new Map<NodeId, PeerInfo>(
    (introductions?.peers() ?? []).map((one) => [one.nodeId, one]),
  );
  const ids = new Set([...infos.keys(), ...peers.keys()]);
  return [...ids]
    .filter((nodeId) => !authority.isRevoked(nodeId))
    .map((nodeId) => {
      const info = infos.get(nodeId);
      const peer = peers.get(nodeId);
      const addresses = peer?.linkAddresses ?? info?.addresses ?? [];
      return {
        nodeId,
        name: info?.name ?? peer?.name ?? nodeId,
        capabilities: [...(peer?.capabilities ?? [])],
        memberId: member.id,
        ...memberState(info, peer, services.clock.nowMs()),
        trust: "member",
        fingerprint: nodeFingerprint(nodeId),
        addresses: [...addresses],
        allowIps: allowIps(services, nodeId),
      };
    });
}

function memberState(
  info: NodeInfo | undefined,
  peer: PeerInfo | undefined,
  nowMs: number,
): Pick<KnownNode, "state" | "reason" | "lastSeenMs"> {
  if (info?.state === "draining" || info?.state === "drained")
    return { state: "draining", lastSeenMs: info.lastSeenMs };
  const isAlive = peer?.state === "alive" || peer?.state === "suspect";
  if (info?.state === "online") return { state: "online", lastSeenMs: info.lastSeenMs };
  if (isAlive) return { state: "online", lastSeenMs: nowMs };
  const reason = peer?.state === "left" ? "it has left the mesh" : "it does not answer";
  return { state: "offline", reason, lastSeenMs: info?.lastSeenMs ?? null };
}

function allowIps({ authority }: GatewayServices, nodeId: NodeId): string[] {
  return [...authority.allowLists.networksOf(nodeId)];
}
