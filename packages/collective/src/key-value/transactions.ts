/**
 * Transactions over users' keys. Every key of every compare and operation, in both branches, is
 * judged before anything is looked at; one that is not allowed refuses the whole transaction.
 */
import { limits, MeshError } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import type { Compare, Operation, OperationResult } from "@hearthmesh/store";
import type { KeyAccess } from "./access.js";
import { accessOf, fenceGuard, type KeyValueContext, keyEntry, runTransaction } from "./context.js";
import { dataKey, parseDirectory, parseKey, pathOf } from "./keys.js";
import type {
  KeyCompare,
  KeyOperation,
  KeyOperationResult,
  KeyTransaction,
  KeyTransactionResult,
} from "./types.js";
import type { Growth } from "./usage-meter.js";
import { entryBytes } from "./usage-table.js";
import { checkValue } from "./values.js";

export async function transactKeys(
  context: KeyValueContext,
  principal: Principal,
  transaction: KeyTransaction,
): Promise<KeyTransactionResult> {
  const access = accessOf(context, principal);
  const { compare = [], success, failure = [], fence } = transaction;
  for (const list of [compare, success, failure]) refuseTooLong(list.length);
  const compares = compare.map((item) => toCompare(access, item));
  const branches = [success, failure].map((branch) =>
    branch.map((item) => toOperation(access, item)),
  );
  const [onSuccess = [], onFailure = []] = branches;
  await checkLeases(context, principal, [...success, ...failure]);
  const guard = fence && { fence, guard: await fenceGuard(context, access, fence) };
  const release = await admit(context, branches);
  try {
    const result = await runTransaction(
      context,
      { compare: compares, success: onSuccess, failure: onFailure },
      guard,
    );
    return { ...result, results: result.results.map(toResult) };
  } finally {
    release();
  }
}

function refuseTooLong(count: number): void {
  const limit = limits.STORE_TXN_OPERATIONS_MAX;
  if (count <= limit) return;
  throw new MeshError("MESH_STORE_TXN_TOO_LARGE", {
    message: `a list of the transaction has ${count} items; ${limit} are allowed`,
    details: { count, limit },
  });
}

function toCompare(access: KeyAccess, compare: KeyCompare): Compare {
  const key = parseKey(compare.key);
  access.require(pathOf(key), "read");
  return { ...compare, key: dataKey(key) };
}

function toOperation(access: KeyAccess, operation: KeyOperation): Operation {
  if (operation.type === "deletePrefix") {
    const prefix = parseDirectory(operation.prefix);
    access.requireBelow(prefix, "delete");
    return { type: "deleteRange", range: { prefix: dataKey(prefix) } };
  }
  const key = parseKey(operation.key);
  const right = operation.type === "put" ? "write" : operation.type === "get" ? "read" : "delete";
  access.require(pathOf(key), right);
  if (operation.type === "put") checkValue(operation.value);
  return { ...operation, key: dataKey(key) };
}

/** Lease numbers are never given again, so that whose they are cannot change before the write. */
async function checkLeases(
  { leases }: KeyValueContext,
  principal: Principal,
  operations: readonly KeyOperation[],
): Promise<void> {
  const used = new Set<number>();
  for (const operation of operations) {
    if (operation.type === "put" && operation.leaseId !== undefined) used.add(operation.leaseId);
  }
  for (const leaseId of used) await leases.requireUsable(principal, leaseId);
}

/** Room for whichever branch writes more; what was there before is looked at when it matters. */
function admit(
  { usage, store }: KeyValueContext,
  branches: readonly (readonly Operation[])[],
): Promise<() => void> {
  const sizes = branches.map((branch) =>
    branch.flatMap((item) =>
      item.type === "put" ? [{ key: item.key, bytes: entryBytes(item.key, item.value) }] : [],
    ),
  );
  const upper = sizes.map((puts) => growthOf(puts.map(({ bytes }) => ({ entries: 1, bytes }))));
  return usage.admit(largest(upper), async () => {
    const exact = sizes.map(async (puts) => {
      const growths = puts.map(async ({ key, bytes }) => {
        const before = await store.get(key);
        if (before === undefined) return { entries: 1, bytes };
        return { entries: 0, bytes: bytes - entryBytes(key, before.value) };
      });
      return growthOf(await Promise.all(growths));
    });
    return largest(await Promise.all(exact));
  });
}

function growthOf(parts: readonly Growth[]): Growth {
  return parts.reduce(
    (sum, part) => ({ entries: sum.entries + part.entries, bytes: sum.bytes + part.bytes }),
    { entries: 0, bytes: 0 },
  );
}

function largest(growths: readonly Growth[]): Growth {
  return {
    entries: Math.max(0, ...growths.map(({ entries }) => entries)),
    bytes: Math.max(0, ...growths.map(({ bytes }) => bytes)),
  };
}

function toResult(result: OperationResult): KeyOperationResult {
  if (result.type !== "get") return result;
  return { type: "get", entry: result.entry && keyEntry(result.entry) };
}
