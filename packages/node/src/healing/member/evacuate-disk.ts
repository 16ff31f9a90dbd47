/**
 * Asks less of a node whose store is filling, so that chunks move to others that have room. The
 * weight comes back by `rebalance` once the node would have room with it, and at once when this
 * did not help.
 */
import type { CoordinatorView, LayoutNode, NodeInfo } from "@hearthmesh/collective";
import { formatBytes, MeshError } from "@hearthmesh/core";
import type { Remedy, Symptom } from "@hearthmesh/healing";
import { countText, percentText } from "./fact-of.js";
import {
  giveBack,
  type LeadingMember,
  NOT_LEADING,
  relieve,
  runWorker,
  workerBlocked,
} from "./leading-member.js";
import { STORE_OTHERS_SHARE, STORE_WANTED_SHARE, WEIGHT_SHARE_MIN } from "./limits.js";
import { keepersOf, usedShare } from "./storage-disks-monitor.js";

const VERIFY_MS = 6 * 3_600_000;
const ACTION = "healing.ease-node";

export function evacuateDisk(member: LeadingMember): Remedy {
  return {
    name: "evacuate-disk",
    handles: ["disk-filling", "disk-full"],
    cost: 0.5,
    risk: 0.3,
    verifyWithinMs: VERIFY_MS,
    rate: { count: 2, windowMs: 6 * 3_600_000 },
    describe: ({ subject, values }) =>
      `asks for less of ${subject.name} (${percentText(Number(values.usedShare ?? 0))} used), ` +
      "so that chunks move to nodes that have room",
    blockedBy: (symptom) => blockedBy(member.view(), symptom),
    apply: async ({ subject: { id } }, signal) => {
      const view = member.view();
      const place = view && placeOf(view, id);
      if (place === undefined) throw new MeshError("MESH_NOT_LEADER");
      const { name } = place.node;
      const percent = Math.max(1, Math.floor(shareOf(place) * 100));
      const header = { node: id, percent };
      const { before, after, moves } = await relieve(member, "layout.ease", ACTION, header);
      if (moves === undefined) {
        return { did: `asked no less of ${name} than layout ${after} does`, changedNothing: true };
      }
      const moved = `${countText(moves.chunks, "chunk")} (${formatBytes(moves.bytes)})`;
      const asked = `asked ${name} for ${percent} % of its share, by layout ${after}`;
      const walked = await moveNow(member, signal);
      return { did: `${asked} instead of ${before}: ${moved} move to others; ${walked}` };
    },
    rollback: async ({ subject: { id } }) => {
      const { node, after } = await giveBack(member, id);
      return { did: `gave ${node} its whole share back by layout ${after}` };
    },
    rollbackWhen: "failed",
  };
}

/** One walk copies, the next takes away what was copied; longer ones go on by themselves. */
async function moveNow(member: LeadingMember, signal: AbortSignal): Promise<string> {
  const blocked = workerBlocked(member.view(), "rebalance");
  if (blocked !== undefined) return blocked;
  const copied = await runWorker(member, "rebalance", signal);
  if (!copied.ended) return `rebalance: ${copied.text}`;
  return `rebalance: ${(await runWorker(member, "rebalance", signal)).text}`;
}

interface PlaceOfNode {
  readonly node: LayoutNode;
  readonly info: NodeInfo;
}

function placeOf(view: CoordinatorView, nodeId: string): PlaceOfNode | undefined {
  const node = view.layout.nodes.find((one) => one.nodeId === nodeId);
  const info = view.nodes.find((one) => one.nodeId === nodeId);
  return node === undefined || info === undefined ? undefined : { node, info };
}

/** What is asked of it then, as a part of what is asked now. */
function shareOf({ info: { storage } }: PlaceOfNode): number {
  return storage === undefined ? 1 : Math.min(1, STORE_WANTED_SHARE / usedShare(storage));
}

function blockedBy(view: CoordinatorView | undefined, { subject }: Symptom): string | undefined {
  if (view === undefined) return NOT_LEADING;
  const place = placeOf(view, subject.id);
  if (place === undefined) return "it is not the store of a node in the layout";
  const { node, info } = place;
  const { storage } = info;
  if (info.state === "offline" || storage === undefined) return `${node.name} is away`;
  if (node.drainingFromBytes !== undefined) return `${node.name} drains already`;
  const others = keepersOf(view).filter(
    ({ nodeId, state, storage: one }) =>
      nodeId !== node.nodeId && state === "online" && one !== undefined && !one.readOnly,
  );
  const { replicas } = view.layout;
  if (others.length < replicas) {
    return `each of ${replicas} copies is on one of ${others.length + 1} nodes: add a storage node`;
  }
  const share = shareOf(place);
  if (
    (node.capacityBytes * share) / (node.easedFromBytes ?? node.capacityBytes) <
    WEIGHT_SHARE_MIN
  ) {
    return `no more than ${percentText(WEIGHT_SHARE_MIN)} of its share is asked of it already`;
  }
  const movesBytes = storage.usedBytes * (1 - share);
  const room = others.reduce((sum, { storage: one }) => sum + roomOf(one), 0);
  if (room >= movesBytes) return undefined;
  return `the others have room for ${formatBytes(room)}, and ${formatBytes(movesBytes)} would move`;
}

/** Bytes that a node takes before it is filling itself. */
export function roomOf(storage: NodeInfo["storage"]): number {
  if (storage === undefined) return 0;
  const { usedBytes, freeBytes } = storage;
  return Math.max(0, STORE_OTHERS_SHARE * (usedBytes + freeBytes) - usedBytes);
}
