/**
 * Whether so many nodes were lost at once that this side is more likely to be cut off than they are
 * to have crashed: half or more of all that were here, within `PARTITION_WINDOW_MS`. Both sides
 * count themselves: of three nodes the one that is alone sees it, and the two others see a crash.
 *
 * Without I/O. It begins with such a group, and ends when those of it that are still dead are less
 * than half of the nodes that are known.
 */
import type { NodeId } from "@hearthmesh/core";
import { PARTITION_NODES_MIN, PARTITION_WINDOW_MS } from "./limits.js";
import type { PeerNote } from "./peer-log.js";

export interface PartitionSight {
  readonly isPartition: boolean;
  readonly lost: readonly PeerNote[];
  readonly present: readonly PeerNote[];
  /** Between the first and the last of the lost. */
  readonly withinMs: number;
}

export class PartitionJudge {
  /** Those that were lost together. */
  #group: ReadonlySet<NodeId> = new Set();

  judge(notes: readonly PeerNote[]): PartitionSight {
    const present = notes.filter(({ state }) => state !== "dead");
    const dead = notes.filter(({ state }) => state === "dead");
    const known = dead.filter(({ nodeId }) => this.#group.has(nodeId));
    const fresh = largestGroup(dead);
    const isWorse = fresh.length > known.length && isHalf(fresh.length, present.length);
    const lost = isWorse ? fresh : known;
    const isPartition = lost.length > 0 && isHalf(lost.length, present.length);
    this.#group = new Set(isPartition ? lost.map(({ nodeId }) => nodeId) : []);
    return { isPartition, lost: isPartition ? lost : [], present, withinMs: spanMs(lost) };
  }
}

function isHalf(lost: number, present: number): boolean {
  const known = lost + present + 1;
  return known >= PARTITION_NODES_MIN && 2 * lost >= known;
}

/** The most of the dead that died within the window of each other. */
function largestGroup(dead: readonly PeerNote[]): readonly PeerNote[] {
  const inTime = [...dead].sort((a, b) => deathMs(a) - deathMs(b));
  let best: readonly PeerNote[] = [];
  for (const [from, first] of inTime.entries()) {
    const untilMs = deathMs(first) + PARTITION_WINDOW_MS;
    const group = inTime.slice(from).filter((note) => deathMs(note) <= untilMs);
    if (group.length > best.length) best = group;
  }
  return best;
}

function deathMs({ death }: PeerNote): number {
  return death?.atMs ?? 0;
}

function spanMs(lost: readonly PeerNote[]): number {
  const times = lost.map(deathMs);
  return times.length === 0 ? 0 : Math.max(...times) - Math.min(...times);
}
