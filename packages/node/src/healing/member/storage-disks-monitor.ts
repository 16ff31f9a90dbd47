/**
 * How full the stores of all storage nodes are, by their reports to the leading coordinator. What
 * a node may use is its share of the disk or what the disk still gives, whichever is less.
 */
import type { CoordinatorView, NodeInfo, StorageReport } from "@hearthmesh/collective";
import { formatBytes } from "@hearthmesh/core";
import type { Fact, Monitor, Subject, SymptomKind } from "@hearthmesh/healing";
import { factOf, percentText } from "./fact-of.js";
import type { LeadingMember } from "./leading-member.js";
import {
  STORE_FILLING_OVER_SHARE,
  STORE_FILLING_SHARE,
  STORE_FULL_OVER_SHARE,
  STORE_FULL_SHARE,
} from "./limits.js";

interface Mark {
  readonly symptom: SymptomKind;
  readonly above: number;
  /** It is over only below this, so that it does not come and go. */
  readonly over: number;
}

const MARKS: readonly Mark[] = [
  { symptom: "disk-filling", above: STORE_FILLING_SHARE, over: STORE_FILLING_OVER_SHARE },
  { symptom: "disk-full", above: STORE_FULL_SHARE, over: STORE_FULL_OVER_SHARE },
];

/** An empty store has all of its share left; what is missing is the disk. */
const NO_ROOM = "other files fill its disk";

export class StorageDisksMonitor implements Monitor {
  readonly name = "storage-disks";
  readonly #member: LeadingMember;
  /** `<symptom> <node id>` of what was above its mark at the last look. */
  #above = new Set<string>();

  constructor(member: LeadingMember) {
    this.#member = member;
  }

  async look(): Promise<readonly Fact[]> {
    const view = this.#member.view();
    const nodes = view === undefined ? [] : keepersOf(view);
    const before = this.#above;
    this.#above = new Set();
    return nodes.flatMap((node) => MARKS.map((mark) => this.#fact(node, mark, before)));
  }

  #fact(node: NodeInfo, mark: Mark, before: ReadonlySet<string>): Fact {
    const { nodeId, name, state, storage } = node;
    const subject: Subject = { type: "disk", id: nodeId, name: `the store of ${name}` };
    const key = `${mark.symptom} ${nodeId}`;
    const wasAbove = before.has(key);
    if (state === "offline" || storage === undefined) {
      if (wasAbove) this.#above.add(key);
      return factOf(mark.symptom, subject, "unknown", `${name} is away`);
    }
    if (storage.capacityBytes === 0) {
      return factOf(mark.symptom, subject, "well", `${name} gives no room: its share is 0 B`);
    }
    const used = usedShare(storage);
    const isAbove = used >= (wasAbove ? mark.over : mark.above);
    if (isAbove) this.#above.add(key);
    const { usedBytes, freeBytes } = storage;
    const evidence =
      usedBytes + freeBytes === 0
        ? `the store of ${name} is empty and takes nothing: ${storage.readOnly ?? NO_ROOM}`
        : `${percentText(used)} of the store of ${name} is used: ${formatBytes(usedBytes)}, ` +
          `${formatBytes(freeBytes)} are free (mark: ${percentText(mark.above)})`;
    const values = { node: name, usedShare: used, usedBytes, freeBytes };
    return factOf(mark.symptom, subject, isAbove ? "ill" : "well", evidence, values);
  }
}

/** Storage nodes of the layout. */
export function keepersOf({ nodes, layout }: CoordinatorView): NodeInfo[] {
  const inLayout = new Set(layout.nodes.map(({ nodeId }) => nodeId));
  return nodes.filter(({ nodeId }) => inLayout.has(nodeId));
}

/** From 0 to 1. An empty store on a disk that gives no room, or does not answer, is full. */
export function usedShare({ usedBytes, freeBytes }: StorageReport): number {
  const able = usedBytes + freeBytes;
  return able === 0 ? 1 : usedBytes / able;
}
