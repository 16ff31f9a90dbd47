import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareHolds } from "../compare.js";
import type { Compare, KeyValue, Transaction } from "../types.js";
import { KeySpace } from "./key-space.js";
import type { TxnRequest, TxnResponse, WireCompare } from "./messages.js";
import { endingOf, planOf } from "./transaction-request.js";

const keys = new KeySpace("/p/");
const TARGETS = ["version", "createRevision", "modRevision"] as const;

/** etcd's rules for one compare: a value of a missing key never compares. */
function etcdHolds(compare: WireCompare, entries: ReadonlyMap<string, KeyValue>): boolean {
  const entry = entries.get(keys.decode(Buffer.from(compare.key)));
  if (compare.target === 3) {
    const equal =
      entry !== undefined && Buffer.from(entry.value).equals(compare.value ?? Buffer.alloc(0));
    return compare.result === 0 ? equal : entry !== undefined && !equal;
  }
  const target = TARGETS[compare.target] ?? "version";
  const actual = entry?.[target] ?? 0;
  const wanted = compare[target] ?? 0;
  return [actual === wanted, actual > wanted, actual < wanted, actual !== wanted][compare.result]!;
}

function runOnEtcd(request: TxnRequest, entries: ReadonlyMap<string, KeyValue>): TxnResponse {
  const succeeded = request.compare.every((compare) => etcdHolds(compare, entries));
  const responses = (succeeded ? request.success : request.failure).map((operation) =>
    operation.txn === undefined
      ? { put: { header: null } }
      : { txn: runOnEtcd(operation.txn, entries) },
  );
  return { header: null, succeeded, responses };
}

const entries = new Map(
  ["a", "b"].map((key, index) => [
    key,
    {
      key,
      value: Uint8Array.of(index),
      createRevision: 2,
      modRevision: 3 + index,
      version: 1 + index,
      leaseId: 0,
    },
  ]),
);

const key = fc.constantFrom("a", "b", "missing");
const compare: fc.Arbitrary<Compare> = fc.oneof(
  fc.record({
    key,
    target: fc.constantFrom(...TARGETS),
    is: fc.constantFrom("=", ">", "<", "!="),
    value: fc.nat(4),
  }),
  fc.record({
    key,
    target: fc.constant("value" as const),
    is: fc.constantFrom("=", "!="),
    value: fc.constantFrom(Uint8Array.of(0), Uint8Array.of(1), new Uint8Array(0)),
  }),
);

describe("a transaction as a request to etcd", () => {
  it("ends where the meaning of its compares says", () => {
    const transaction: fc.Arbitrary<Transaction> = fc.record(
      {
        guard: compare,
        compare: fc.array(compare, { maxLength: 4 }),
        success: fc.constant([{ type: "put", key: "s", value: new Uint8Array(0) } as const]),
        failure: fc.constant([
          { type: "put", key: "f", value: new Uint8Array(0) } as const,
          { type: "put", key: "g", value: new Uint8Array(0) } as const,
        ]),
      },
      { requiredKeys: ["success"] },
    );
    fc.assert(
      fc.property(transaction, (given) => {
        const holds = (item: Compare) => compareHolds(item, entries.get(item.key));
        const succeeded = (given.compare ?? []).every(holds);
        const branch = succeeded ? "success" : "failure";
        const expected = given.guard === undefined || holds(given.guard) ? branch : "guard";
        const plan = planOf(keys, given, () => false);
        const ending = endingOf(plan, runOnEtcd(plan.request, entries));
        expect(ending.branch).toBe(expected);
        const operations = expected === "guard" ? [] : (given[expected] ?? []);
        expect(ending.responses).toHaveLength(operations.length);
      }),
      { seed: 7, numRuns: 2_000 },
    );
  });

  it("sends a branch that must not run without its operations", () => {
    const success = [{ type: "put", key: "s", value: new Uint8Array(0) } as const];
    const plan = planOf(keys, { success, failure: success }, (branch) => branch === "success");
    expect(plan.request.success).toEqual([]);
  });
});
