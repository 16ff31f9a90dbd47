/**
 * Sets a node aside that gives back damaged chunks: nothing new is placed on it, it is read last,
 * and its chunks are copied to others from whoever has them whole. Its copies go only when all
 * others are there, so it remains the last resort for what nobody else has. The operator takes it
 * back with `mesh node undrain`; healing does when a whole scrub is clean.
 */
import type { CoordinatorView } from "@hearthmesh/collective";
import { formatBytes } from "@hearthmesh/core";
import type { Remedy, Symptom } from "@hearthmesh/healing";
import { roomOf } from "./evacuate-disk.js";
import { giveBack, type LeadingMember, NOT_LEADING, relieve } from "./leading-member.js";
import { keepersOf } from "./storage-disks-monitor.js";

const VERIFY_MS = 60_000;
const DAY_MS = 86_400_000;

export function quarantineNode(member: LeadingMember): Remedy {
  return {
    name: "quarantine-node",
    handles: ["node-corrupts"],
    cost: 0.6,
    risk: 0.5,
    verifyWithinMs: VERIFY_MS,
    rate: { count: 2, windowMs: DAY_MS },
    describe: ({ subject: { name } }) =>
      `sets ${name} aside: nothing is placed on it, it is read last, and others get its chunks`,
    blockedBy: (symptom) => blockedBy(member.view(), symptom),
    apply: async ({ subject: { id, name } }) => {
      const action = "healing.quarantine-node";
      const { before, after, moves } = await relieve(member, "layout.quarantine", action, {
        node: id,
      });
      if (moves === undefined) {
        return { did: `found ${name} in quarantine by layout ${after}`, changedNothing: true };
      }
      const copies = moves.chunks === 1 ? "1 copy" : `${moves.chunks} copies`;
      const moved = `${copies} (${formatBytes(moves.bytes)}) are made at others`;
      const versions = `layout ${after} instead of ${before}`;
      return { did: `set ${name} aside by ${versions} and had it verify all it has; ${moved}` };
    },
    rollback: async ({ subject: { id, name } }) => {
      const { after } = await giveBack(member, id);
      return { did: `took ${name} out of quarantine by layout ${after}` };
    },
    rollbackWhen: "failed",
  };
}

function blockedBy(view: CoordinatorView | undefined, { subject }: Symptom): string | undefined {
  if (view === undefined) return NOT_LEADING;
  const node = view.layout.nodes.find(({ nodeId }) => nodeId === subject.id);
  if (node === undefined) return `${subject.name} is not in the layout`;
  const { replicas } = view.layout;
  const weights = new Map(view.layout.nodes.map((one) => [one.nodeId, one.capacityBytes]));
  const others = keepersOf(view).filter(
    ({ nodeId, state, storage }) =>
      nodeId !== node.nodeId &&
      state === "online" &&
      !storage?.readOnly &&
      (weights.get(nodeId) ?? 0) > 0,
  );
  if (others.length < replicas) {
    const taking = `without ${node.name} ${others.length} nodes take chunks`;
    return `${taking}, and every chunk has ${replicas} copies: add a storage node`;
  }
  const usedBytes =
    view.nodes.find(({ nodeId }) => nodeId === node.nodeId)?.storage?.usedBytes ?? 0;
  const room = others.reduce((sum, { storage }) => sum + roomOf(storage), 0);
  if (room >= usedBytes) return undefined;
  return `the others have room for ${formatBytes(room)}, and it has ${formatBytes(usedBytes)}`;
}
