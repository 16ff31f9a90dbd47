/** The likeliest tokens of one member's rows of the vocabulary. */
import type { Candidate } from "./step-codec.js";

/**
 * The `count` largest logits, best first; of equal ones the lower token is the better one, so that
 * the choice is the same as over the whole vocabulary. Row 0 is the token `firstToken`.
 */
export function topCandidates(
  logits: Float32Array,
  firstToken: number,
  count: number,
): readonly Candidate[] {
  const best: { token: number; logit: number }[] = [];
  let least = Number.NEGATIVE_INFINITY;
  for (let row = 0; row < logits.length; row++) {
    const logit = logits[row] as number;
    if (best.length === count && logit <= least) continue;
    let at = best.length;
    while (at > 0 && (best[at - 1]?.logit as number) < logit) at--;
    best.splice(at, 0, { token: firstToken + row, logit });
    if (best.length > count) best.pop();
    least = best[best.length - 1]?.logit as number;
  }
  return best;
}

/** One list out of those of all members, in the same order. */
export function mergeCandidates(
  lists: readonly (readonly Candidate[])[],
  count: number,
): readonly Candidate[] {
  return lists
    .flat()
    .sort((a, b) => b.logit - a.logit || a.token - b.token)
    .slice(0, count);
}
