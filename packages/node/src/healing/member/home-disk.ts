/**
 * The file system under a node's home, and what the node may do for it itself: every node looks at
 * its own. Trash, logs and dead records are given back; when the disk is all but full the node
 * takes no new chunks until there is room again, so that its database, certificates and logs can
 * still be written.
 */
import { type Clock, formatBytes } from "@hearthmesh/core";
import type { Fact, Monitor, Subject, SymptomKind } from "@hearthmesh/healing";
import { factOf, percentText } from "./fact-of.js";
import { HOME_FILLING, HOME_FULL, HOME_LOOK_MS, HOME_OVER_FACTOR } from "./limits.js";

export interface Space {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

export interface HomeDiskOptions {
  readonly clock: Clock;
  readonly nodeId: string;
  readonly nodeName: string;
  /** Asks the file system. */
  space(): Promise<Space>;
  /** There is room again: the node takes chunks as before. */
  onRoom(): void;
}

interface Mark {
  readonly symptom: SymptomKind;
  readonly freeShare: number;
  readonly freeBytes: number;
}

const MARKS: readonly Mark[] = [
  { symptom: "disk-filling", ...HOME_FILLING },
  { symptom: "disk-full", ...HOME_FULL },
];

export class HomeDiskMonitor implements Monitor {
  readonly name = "home-disk";
  readonly #options: HomeDiskOptions;
  readonly #below = new Set<SymptomKind>();
  #facts: readonly Fact[] = [];
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: HomeDiskOptions) {
    this.#options = options;
  }

  async look(): Promise<readonly Fact[]> {
    const { clock, space, onRoom } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#lookedAtMs < HOME_LOOK_MS) return this.#facts;
    const found = await space();
    this.#lookedAtMs = nowMs;
    this.#facts = MARKS.map((mark) => this.#fact(mark, found));
    if (!this.#below.has("disk-full")) onRoom();
    return this.#facts;
  }

  #fact(mark: Mark, found: Space): Fact {
    const { nodeId, nodeName } = this.#options;
    const { symptom } = mark;
    const factor = this.#below.has(symptom) ? HOME_OVER_FACTOR : 1;
    const isBelow = isBelowMark(mark, found, factor);
    if (isBelow) this.#below.add(symptom);
    else this.#below.delete(symptom);
    const { freeBytes, totalBytes } = found;
    const subject: Subject = {
      type: "disk",
      id: homeDiskId(nodeId),
      name: `the disk of ${nodeName}`,
    };
    const evidence =
      `${formatBytes(freeBytes)} of ${formatBytes(totalBytes)} are free under the home of ` +
      `${nodeName} (mark: ${percentText(mark.freeShare)} and ${formatBytes(mark.freeBytes)})`;
    const values = { node: nodeName, freeBytes, totalBytes, isHome: true };
    return factOf(symptom, subject, isBelow ? "ill" : "well", evidence, values);
  }
}

/** Told apart from the store of the same node, which the leading coordinator looks after. */
export function homeDiskId(nodeId: string): string {
  return `home ${nodeId}`;
}

/** Both count: a tenth of 4 TB is room enough, and 5 GB on a disk of 8 GB too. */
function isBelowMark({ freeShare, freeBytes }: Mark, found: Space, factor: number): boolean {
  const share = found.totalBytes === 0 ? 0 : found.freeBytes / found.totalBytes;
  return share < freeShare * factor && found.freeBytes < freeBytes * factor;
}
