/**
 * Every call that reads or writes keys, in one form: a transaction with its answer. A get is a
 * transaction without a condition and with one step.
 */
import type { Call } from "./calls.js";
import type { ClientEvent, HistoryCompare, HistoryEntry, HistoryStep } from "./format.js";

/** A range reads all keys with a prefix. */
export type Step = HistoryStep | { readonly type: "range"; readonly prefix: string };

export interface StepResult {
  readonly value?: string | null;
  readonly modRevision?: number;
  readonly deleted?: number;
  readonly entries?: readonly HistoryEntry[];
}

export interface AtomicCall extends Call {
  readonly compare: readonly HistoryCompare[];
  readonly success: readonly Step[];
  readonly failure: readonly Step[];
  /** Which branch ran, when that is known. */
  readonly succeeded: boolean | undefined;
  /** Of the steps of the branch that ran; empty when the call has no answer. */
  readonly results: readonly StepResult[];
  /** The store's revision when it ran, that of its own writes when it wrote; if it was told. */
  readonly revision: number | undefined;
}

/** Undefined for calls that only concern leases, and for watches. */
export function atomicCall(call: Call): AtomicCall | undefined {
  const plan = planOf(call.invoke);
  if (plan === undefined) return undefined;
  const answer = call.outcome === "ok" ? call.answer : undefined;
  const succeeded =
    answer === undefined || plan.compare.length > 0
      ? answer?.succeeded
      : (answer.succeeded ?? true);
  return {
    ...call,
    ...plan,
    succeeded,
    results: answer === undefined ? [] : resultsOf(answer, succeeded === true),
    revision: answer?.revision,
  };
}

interface Plan {
  readonly compare: readonly HistoryCompare[];
  readonly success: readonly Step[];
  readonly failure: readonly Step[];
}

function planOf(invoke: ClientEvent): Plan | undefined {
  const { key = "", token = 0, prefix = "" } = invoke;
  const value = invoke.value ?? "";
  const plan = (step: Step, ...compare: HistoryCompare[]) => ({
    compare,
    success: [step],
    failure: [],
  });
  const put: Step = { type: "put", key, value };
  switch (invoke.op) {
    case "get":
      return plan({ type: "get", key });
    case "range":
      return plan({ type: "range", prefix });
    case "put":
      return plan(put);
    case "delete":
      return plan({ type: "delete", key });
    case "cas":
      return plan(put, { key, ...invoke.expect });
    case "lock":
      return plan(put, { key, createRevision: 0 });
    case "unlock":
      return plan({ type: "delete", key }, { key, createRevision: token });
    case "fenced":
      return plan(put, { key: invoke.lock ?? "", createRevision: token });
    case "txn": {
      const { compare = [], success = [], failure = [] } = invoke;
      return { compare, success, failure };
    }
    default:
      return undefined;
  }
}

function resultsOf(answer: ClientEvent, succeeded: boolean): readonly StepResult[] {
  switch (answer.op) {
    case "get":
      return [{ value: answer.value ?? null, modRevision: answer.modRevision ?? 0 }];
    case "range":
      return [{ entries: answer.entries ?? [] }];
    case "delete":
      return [{ deleted: answer.deleted ?? 0 }];
    case "unlock":
      return succeeded ? [{ deleted: 1 }] : [];
    case "txn":
      return answer.results ?? [];
    default:
      return succeeded ? [{}] : [];
  }
}

function writesSomething(steps: readonly Step[]): boolean {
  return steps.some(({ type }) => type === "put" || type === "delete");
}

/** A call that could change nothing; without an answer it tells nothing. */
export function onlyReads(call: AtomicCall): boolean {
  return !writesSomething(call.success) && !writesSomething(call.failure);
}

/** Whether the answered call changed the store, so that its revision is its own. */
export function didWrite(call: AtomicCall): boolean {
  if (call.outcome !== "ok" || call.succeeded === undefined) return false;
  const steps = call.succeeded ? call.success : call.failure;
  return steps.some(
    ({ type }, index) =>
      type === "put" || (type === "delete" && (call.results[index]?.deleted ?? 0) > 0),
  );
}

/** Keys that the call names; a range names none. */
export function keysOf(call: AtomicCall): Set<string> {
  const keys = new Set(call.compare.map(({ key }) => key));
  for (const step of [...call.success, ...call.failure]) {
    if (step.type !== "range") keys.add(step.key);
  }
  return keys;
}

/** Keys that were ever put with a lease: the store may delete them by itself. */
export function leasedKeys(calls: readonly Call[]): Set<string> {
  const keys = new Set<string>();
  for (const { invoke } of calls) {
    if (invoke.lease !== undefined && invoke.key !== undefined) keys.add(invoke.key);
  }
  return keys;
}
