/**
 * The likeliest tokens of one slice of the vocabulary: all that a member tells the leader about its
 * logits, with the sum that turns them into probabilities.
 */
import { MeshError } from "@hearthmesh/core";

export interface SliceCandidates {
  /** The likeliest first; of equal ones the lowest id first. */
  readonly ids: Int32Array;
  readonly logits: Float32Array;
  /** ln of the sum of e^logit over the whole slice; `-Infinity` for an empty slice. */
  readonly logSumExp: number;
}

/**
 * The `count` likeliest of these logits, whose first one is that of token `firstId`. Takes
 * O(n log count). A logit that is not a number, or infinite, is `MESH_ENGINE_FAILED`; minus
 * infinity forbids a token and is fine.
 */
export function sliceCandidates(
  logits: Float32Array,
  firstId: number,
  count: number,
): SliceCandidates {
  const kept = Math.min(count, logits.length);
  // A heap whose root is the least likely of those that are kept, as positions in `logits`.
  const heap = new Int32Array(kept);
  let size = 0;
  let most = Number.NEGATIVE_INFINITY;
  for (let at = 0; at < logits.length; at += 1) {
    const logit = logits[at] as number;
    // Also true for what is not a number.
    if (!(logit < Number.POSITIVE_INFINITY)) {
      throw new MeshError("MESH_ENGINE_FAILED", {
        message: `the engine gave ${logit} for token ${firstId + at}`,
      });
    }
    if (logit > most) most = logit;
    if (size < kept) {
      heap[size] = at;
      size += 1;
      rise(heap, logits, size - 1);
    } else if (kept > 0 && logit > (logits[heap[0] as number] as number)) {
      heap[0] = at;
      sink(heap, logits, kept);
    }
  }
  const order = heap.sort((a, b) => (isBelow(logits, a, b) ? 1 : -1));
  return {
    ids: order.map((at) => firstId + at),
    logits: Float32Array.from(order, (at) => logits[at] as number),
    logSumExp: logSumExpOf(logits, most),
  };
}

function logSumExpOf(logits: Float32Array, most: number): number {
  if (most === Number.NEGATIVE_INFINITY) return most;
  let sum = 0;
  for (let at = 0; at < logits.length; at += 1) sum += Math.exp((logits[at] as number) - most);
  return most + Math.log(sum);
}

/** Less likely, or as likely with a higher id: nearer to the root. */
function isBelow(logits: Float32Array, a: number, b: number): boolean {
  const [one, other] = [logits[a] as number, logits[b] as number];
  return one < other || (one === other && a > b);
}

function rise(heap: Int32Array, logits: Float32Array, from: number): void {
  const item = heap[from] as number;
  let at = from;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!isBelow(logits, item, heap[parent] as number)) break;
    heap[at] = heap[parent] as number;
    at = parent;
  }
  heap[at] = item;
}

function sink(heap: Int32Array, logits: Float32Array, size: number): void {
  const item = heap[0] as number;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= size) break;
    if (child + 1 < size && isBelow(logits, heap[child + 1] as number, heap[child] as number)) {
      child += 1;
    }
    if (!isBelow(logits, heap[child] as number, item)) break;
    heap[at] = heap[child] as number;
    at = child;
  }
  heap[at] = item;
}
