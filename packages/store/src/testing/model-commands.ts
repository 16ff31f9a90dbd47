/** Random operations for the comparison with the model: few keys, so that they meet each other. */
import type * as FastCheck from "fast-check";
import type { Compare, KeyRange, Operation, Transaction } from "../types.js";

/** Revisions and leases are chosen as places in what exists by then, from 0 to 1. */
export type ModelCommand =
  | { type: "burst"; transactions: PlannedTransaction[] }
  | { type: "get"; key: string; back: number | undefined }
  | {
      type: "range";
      range: KeyRange;
      limit: number;
      reverse: boolean;
      keysOnly: boolean;
      back: number | undefined;
    }
  | { type: "watch"; range: KeyRange; back: number }
  | { type: "compact"; back: number }
  | { type: "grant"; ttlMs: number }
  | { type: "keepAlive" | "revoke"; lease: number }
  | { type: "advance"; durationMs: number }
  | { type: "reopen" };

/** `lease` is a place among the leases granted so far, for each put with one. */
export interface PlannedTransaction extends Omit<Transaction, "guard"> {
  readonly guard: Compare | undefined;
  readonly lease: number;
}

const KEYS = ["a", "a/", "a/b", "a/b/c", "b", "é", "\uffff", "😀"];
const PREFIXES = ["", "a", "a/", "b", "é", "\uffff", "none"];
/** Stands for "the lease that is chosen when the command runs". */
export const CHOSEN_LEASE = -1;

export function modelCommands(fc: typeof FastCheck): FastCheck.Arbitrary<ModelCommand[]> {
  const key = fc.constantFrom(...KEYS);
  const value = fc.uint8Array({ maxLength: 3 });
  const range: FastCheck.Arbitrary<KeyRange> = fc.oneof(
    fc.record({ prefix: fc.constantFrom(...PREFIXES) }),
    fc.record({ start: key, end: key }),
  );
  const place = fc.double({ min: 0, max: 1, noNaN: true });
  const past = fc.option(place, { nil: undefined });
  const compare: FastCheck.Arbitrary<Compare> = fc.oneof(
    fc.record({
      key,
      target: fc.constantFrom("modRevision", "createRevision", "version"),
      is: fc.constantFrom("=", ">", "<", "!="),
      value: fc.nat(6),
    }),
    fc.record({
      key,
      target: fc.constant("value" as const),
      is: fc.constantFrom("=", "!="),
      value,
    }),
  );
  const leaseId = fc.constantFrom(0, 0, 0, CHOSEN_LEASE);
  const operation: FastCheck.Arbitrary<Operation> = fc.oneof(
    { weight: 5, arbitrary: fc.record({ type: fc.constant("put"), key, value, leaseId }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant("delete"), key }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("deleteRange"), range }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("get"), key }) },
  );
  const transaction: FastCheck.Arbitrary<PlannedTransaction> = fc.record({
    guard: fc.oneof(
      { weight: 4, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: compare },
    ),
    compare: fc.array(compare, { maxLength: 2 }),
    success: fc.array(operation, { maxLength: 4 }),
    failure: fc.array(operation, { maxLength: 2 }),
    lease: place,
  });
  return fc.array(
    fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({
          type: fc.constant("burst"),
          transactions: fc.array(transaction, { minLength: 1, maxLength: 4 }),
        }),
      },
      { weight: 2, arbitrary: fc.record({ type: fc.constant("get"), key, back: past }) },
      {
        weight: 3,
        arbitrary: fc.record({
          type: fc.constant("range"),
          range,
          limit: fc.integer({ min: 1, max: 9 }),
          reverse: fc.boolean(),
          keysOnly: fc.boolean(),
          back: past,
        }),
      },
      { weight: 3, arbitrary: fc.record({ type: fc.constant("watch"), range, back: place }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant("compact"), back: place }) },
      {
        weight: 1,
        arbitrary: fc.record({ type: fc.constant("grant"), ttlMs: fc.constantFrom(10, 20, 50) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ type: fc.constantFrom("keepAlive", "revoke"), lease: place }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          type: fc.constant("advance"),
          durationMs: fc.constantFrom(5, 10, 30),
        }),
      },
      { weight: 1, arbitrary: fc.record({ type: fc.constant("reopen") }) },
    ),
    { minLength: 5, maxLength: 30 },
  );
}
