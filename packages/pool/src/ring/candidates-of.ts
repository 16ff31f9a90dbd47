/** What a member names to the leader after a step. */
import { MeshError } from "@hearthmesh/core";
import { type SliceCandidates, sliceCandidates } from "../sampling/candidates.js";

/**
 * The `count` likeliest of a slice whose first token is `firstToken`. One is for greedy choice,
 * which needs no probabilities: then the sum over the slice, which takes longer than the rest, is
 * the likeliest logit itself, its lower bound. `MESH_ENGINE_FAILED` for logits that are no numbers.
 */
export function candidatesOf(
  logits: Float32Array,
  firstToken: number,
  count: number,
): SliceCandidates {
  if (count !== 1 || logits.length === 0) return sliceCandidates(logits, firstToken, count);
  let best = 0;
  let most = logits[0] as number;
  let areNumbers = most < Number.POSITIVE_INFINITY;
  for (let row = 1; row < logits.length; row++) {
    const logit = logits[row] as number;
    if (!(logit < Number.POSITIVE_INFINITY)) areNumbers = false;
    if (logit > most) {
      most = logit;
      best = row;
    }
  }
  if (!areNumbers) {
    const message = "the engine gave logits that are no numbers";
    throw new MeshError("MESH_ENGINE_FAILED", { message });
  }
  return {
    ids: Int32Array.of(firstToken + best),
    logits: Float32Array.of(most),
    logSumExp: most,
  };
}
