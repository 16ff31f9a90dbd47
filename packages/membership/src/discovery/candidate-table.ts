/** The candidates by their keys, bounded. */
import type { NodeId } from "@hearthmesh/core";
import { Candidate } from "./candidate.js";

export class CandidateTable extends Map<string, Candidate> {
  readonly #sizeMax: number;

  constructor(sizeMax: number) {
    super();
    this.#sizeMax = sizeMax;
  }

  /** The known one, or a new one to dial now; undefined when there is no room for another. */
  obtain(key: string, nodeId: NodeId | undefined, nowMs: number): Candidate | undefined {
    const known = this.get(key);
    if (known !== undefined) return known;
    if (this.size >= this.#sizeMax && !this.#dropWorst()) return undefined;
    const made = new Candidate(key, nodeId);
    made.nextDialMs = nowMs;
    this.set(key, made);
    return made;
  }

  /** Forgets one that nobody configured and is in no use: one that left, or failed most often. */
  #dropWorst(): boolean {
    let worst: Candidate | undefined;
    for (const candidate of this.values()) {
      const { isLasting, directSinceMs, isRelayed, dialId, attempts } = candidate;
      const isInUse = directSinceMs !== undefined || isRelayed || dialId !== undefined;
      if (isLasting || isInUse) continue;
      const isWorse =
        worst === undefined ||
        (candidate.hasLeft && !worst.hasLeft) ||
        (candidate.hasLeft === worst.hasLeft && attempts > worst.attempts);
      if (isWorse) worst = candidate;
    }
    return worst !== undefined && this.delete(worst.key);
  }
}
