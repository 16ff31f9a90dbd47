/**
 * A transaction of ours as one of etcd's, and the answer back. Pure.
 *
 * etcd compares all first, then runs one of two lists. Two things of ours have no like there and
 * become nested transactions, which etcd compares before it writes anything:
 * - a guard: `if guard then (the transaction) else nothing`;
 * - "the value is not": etcd finds that to be false for a missing key, and so it is asked for
 *   "the value is" with the branches exchanged.
 *
 * Each nesting is a step of `Plan.steps`: when its compares come out as `goOnWhen`, the next step
 * is the one operation inside; else the transaction has ended there.
 */
import type { Compare, Operation, OperationResult, Transaction } from "../types.js";
import type { KeySpace } from "./key-space.js";
import {
  COMPARE_RESULT,
  COMPARE_TARGET,
  type RequestOp,
  type ResponseOp,
  type TxnRequest,
  type TxnResponse,
  type WireCompare,
} from "./messages.js";

interface Step {
  readonly compare: readonly WireCompare[];
  readonly goOnWhen: boolean;
  readonly otherwise: "guard" | "failure";
}

export type Branch = "success" | "failure";

/** Where a transaction ended, and the answers to the operations there. */
export interface Ending {
  readonly branch: Branch | "guard";
  readonly responses: readonly ResponseOp[];
}

export interface Plan {
  readonly request: TxnRequest;
  readonly steps: readonly Step[];
}

/** A branch that is named in `withhold` is sent without its operations. */
export function planOf(
  keys: KeySpace,
  transaction: Transaction,
  withhold: (branch: Branch) => boolean,
): Plan {
  const operationsOf = (branch: Branch) =>
    withhold(branch)
      ? []
      : (transaction[branch] ?? []).map((operation) => requestOf(keys, operation));
  const failure = operationsOf("failure");
  const steps = stepsOf(keys, transaction);
  let inner: readonly RequestOp[] = operationsOf("success");
  let request: TxnRequest = { compare: [], success: inner, failure: [] };
  for (const step of [...steps].reverse()) {
    const otherwise = step.otherwise === "guard" ? [] : failure;
    request = step.goOnWhen
      ? { compare: step.compare, success: inner, failure: otherwise }
      : { compare: step.compare, success: otherwise, failure: inner };
    inner = [{ txn: request }];
  }
  return { request, steps };
}

function stepsOf(keys: KeySpace, { guard, compare = [] }: Transaction): Step[] {
  const steps: Step[] = [];
  const add = (item: Compare, otherwise: Step["otherwise"]) => {
    const goOnWhen = !isValueNot(item);
    steps.push({ compare: [compareOf(keys, item)], goOnWhen, otherwise });
  };
  if (guard !== undefined) add(guard, "guard");
  const plain = compare.filter((item) => !isValueNot(item));
  if (plain.length > 0) {
    const all = plain.map((item) => compareOf(keys, item));
    steps.push({ compare: all, goOnWhen: true, otherwise: "failure" });
  }
  for (const item of compare) if (isValueNot(item)) add(item, "failure");
  return steps;
}

/** Follows the answers of the nested transactions to where it ended. */
export function endingOf(plan: Plan, response: TxnResponse): Ending {
  let { succeeded, responses } = response;
  for (const [index, step] of plan.steps.entries()) {
    if (succeeded !== step.goOnWhen) return { branch: step.otherwise, responses };
    if (index === plan.steps.length - 1) break;
    const nested = responses[0]?.txn;
    succeeded = nested?.succeeded ?? false;
    responses = nested?.responses ?? [];
  }
  return { branch: "success", responses };
}

export function resultsOf(
  keys: KeySpace,
  operations: readonly Operation[],
  responses: readonly ResponseOp[],
): OperationResult[] {
  return operations.map((operation, index): OperationResult => {
    const response = responses[index];
    switch (operation.type) {
      case "put":
        return { type: "put" };
      case "get": {
        const found = response?.range?.kvs[0];
        return { type: "get", entry: found === undefined ? undefined : keys.entryOf(found) };
      }
      default:
        return { type: "delete", deleted: response?.deleteRange?.deleted ?? 0 };
    }
  });
}

function requestOf(keys: KeySpace, operation: Operation): RequestOp {
  switch (operation.type) {
    case "put": {
      const { key, value, leaseId = 0 } = operation;
      return { put: { key: keys.encode(key), value, lease: leaseId } };
    }
    case "get":
      return { range: { key: keys.encode(operation.key) } };
    case "delete":
      return { deleteRange: { key: keys.encode(operation.key) } };
    case "deleteRange":
      return { deleteRange: { ...keys.rangeOf(operation.range) } };
  }
}

function isValueNot(compare: Compare): boolean {
  return compare.target === "value" && compare.is === "!=";
}

/** For "the value is not" it asks whether the value is. */
function compareOf(keys: KeySpace, compare: Compare): WireCompare {
  const key = keys.encode(compare.key);
  const target = COMPARE_TARGET[compare.target];
  if (compare.target === "value") {
    return { result: COMPARE_RESULT["="], target, key, value: compare.value };
  }
  const result = COMPARE_RESULT[compare.is];
  return { result, target, key, [compare.target]: compare.value };
}

/** Whether either branch changes anything. */
export function isReadOnly({ success, failure = [] }: Transaction): boolean {
  const reads = (operation: Operation) => operation.type === "get";
  return success.every(reads) && failure.every(reads);
}
