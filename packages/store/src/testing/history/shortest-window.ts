/**
 * The smallest part of a history that still has no order. Each step leaves a history that would
 * have one if the whole had one, so that what is shown is wrong by itself.
 */
import type { AtomicCall } from "./atomic-calls.js";
import { onlyReads } from "./atomic-calls.js";
import { WINDOW_CALLS_MAX } from "./limits.js";
import { type SearchLimits, searchOrder } from "./linear-search.js";
import { type Scope, storeModel } from "./store-model.js";

const isCertain = (call: AtomicCall) => Number.isFinite(call.endUs);
const asUncertain = (call: AtomicCall): AtomicCall => ({
  ...call,
  outcome: "info",
  endUs: Number.POSITIVE_INFINITY,
  succeeded: undefined,
  results: [],
});

/** `calls` have no order in the scope. Gives those that contradict each other. */
export function shortestWindow(
  calls: readonly AtomicCall[],
  scope: Scope,
  limits: SearchLimits,
): readonly AtomicCall[] {
  const hasNoOrder = (some: readonly AtomicCall[], inScope: Scope) =>
    searchOrder(some, storeModel(inScope), limits).verdict === "no";
  const ends = calls
    .filter(isCertain)
    .map(({ endUs }) => endUs)
    .sort((a, b) => a - b);
  const upTo = (count: number) => before(calls, ends[count - 1] ?? 0);
  const shortest = firstIndex(ends.length, (count) => hasNoOrder(upTo(count + 1), scope)) + 1;
  const prefix = upTo(shortest);
  const cuts = quietMoments(prefix);
  const from = { ...scope, startsUnknown: true };
  // From an unknown state on, a later cut leaves fewer calls and so more orders.
  const usable = firstIndex(cuts.length, (place) => {
    return !hasNoOrder(after(prefix, cuts[place] ?? 0), from);
  });
  const cut = usable === 0 ? undefined : cuts[usable - 1];
  if (cut === undefined) return prefix.filter(isCertain).slice(-WINDOW_CALLS_MAX);
  return relax(after(prefix, cut), (some) => hasNoOrder(some, from));
}

/** As the history was at that moment: what had not ended then may or may not happen. */
function before(calls: readonly AtomicCall[], endUs: number): AtomicCall[] {
  return calls
    .filter(({ startUs }) => startUs <= endUs)
    .map((call) => (call.endUs > endUs ? asUncertain(call) : call))
    .filter((call) => isCertain(call) || !onlyReads(call));
}

function after(calls: readonly AtomicCall[], cutUs: number): AtomicCall[] {
  return calls.filter(({ endUs }) => endUs >= cutUs);
}

/** Starts of certain calls at which no earlier one is still under way. */
function quietMoments(calls: readonly AtomicCall[]): number[] {
  const moments: number[] = [];
  let busyUntil = -1;
  for (const call of calls.filter(isCertain).sort((a, b) => a.startUs - b.startUs)) {
    if (call.startUs > busyUntil) moments.push(call.startUs);
    busyUntil = Math.max(busyUntil, call.endUs);
  }
  return moments;
}

/** Takes away reads, and certainty from writes, while it stays wrong. Few calls are left. */
function relax(
  calls: readonly AtomicCall[],
  isWrong: (some: readonly AtomicCall[]) => boolean,
): readonly AtomicCall[] {
  let left = [...calls];
  if (!isWrong(left)) return left.filter(isCertain);
  if (left.length > WINDOW_CALLS_MAX * 4) return left.filter(isCertain).slice(-WINDOW_CALLS_MAX);
  for (const call of calls) {
    const less =
      onlyReads(call) || !isCertain(call)
        ? left.filter((other) => other.id !== call.id)
        : left.map((other) => (other.id === call.id ? asUncertain(other) : other));
    if (isWrong(less)) left = less;
  }
  // A call without its answer that is still here only stood for "it may have happened".
  return left.filter(isCertain);
}

/** The first index for which it holds, `length` for none; once it holds it goes on to hold. */
function firstIndex(length: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
