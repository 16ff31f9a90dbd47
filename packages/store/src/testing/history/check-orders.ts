/** Is there an order that explains all answers: for each key alone, and for the whole store. */
import type { AtomicCall } from "./atomic-calls.js";
import { keysOf, onlyReads } from "./atomic-calls.js";
import { WHOLE_SEARCH_CALLS_MAX } from "./limits.js";
import { type SearchLimits, searchOrder } from "./linear-search.js";
import { shortestWindow } from "./shortest-window.js";
import { revisionsOfCalls, type Scope, storeModel } from "./store-model.js";
import type { Findings, Rule } from "./verdict.js";

export interface OrdersChecked {
  readonly keys: number;
  readonly states: number;
}

/**
 * `leased` are keys that the store may delete by itself; they are left to the order of revisions.
 * Calls that failed must not be given, or given and never be needed.
 */
export function checkOrders(
  calls: readonly AtomicCall[],
  leased: ReadonlySet<string>,
  limits: SearchLimits,
  findings: Findings,
): OrdersChecked {
  const useful = calls.filter(
    (call) => call.outcome === "ok" || (call.outcome === "info" && !onlyReads(call)),
  );
  const revisionOfCall = revisionsOfCalls(useful);
  const keys = namedKeys(useful).filter((key) => !leased.has(key));
  let states = 0;
  const check = (rule: Rule, what: string, some: readonly AtomicCall[], scope: Scope) => {
    const result = searchOrder(some, storeModel(scope), limits);
    states += result.states;
    if (result.verdict === "unknown") {
      findings.doubt(`${what}: no order was found after ${result.states} configurations`);
    }
    if (result.verdict === "no") {
      const window = shortestWindow(some, scope, limits);
      findings.problem(rule, `${what}: no order of these calls explains all answers`, window);
    }
    return result.verdict;
  };
  const verdicts = keys.map((key) => {
    const some = useful.filter((call) => concerns(call, key));
    const scope = { keys: new Set([key]), revisionOfCall };
    return check("order of each key", `key ${key}`, some, scope);
  });
  // What is wrong with one key is wrong with all.
  if (calls.length <= WHOLE_SEARCH_CALLS_MAX && !verdicts.includes("no")) {
    const scope = { keys: new Set(keys), revisionOfCall };
    check("order of the whole store", "all keys together", useful, scope);
  }
  return { keys: keys.length, states };
}

function namedKeys(calls: readonly AtomicCall[]): string[] {
  const keys = new Set<string>();
  for (const call of calls) {
    for (const key of keysOf(call)) keys.add(key);
    for (const { entries = [] } of call.results) for (const { key } of entries) keys.add(key);
  }
  return [...keys].sort();
}

function concerns(call: AtomicCall, key: string): boolean {
  const ranges = [...call.success, ...call.failure].filter((step) => step.type === "range");
  return keysOf(call).has(key) || ranges.some(({ prefix }) => key.startsWith(prefix));
}
