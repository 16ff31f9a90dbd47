/** What every engine refuses before it does anything. */
import { limits, MeshError } from "@hearthmesh/core";
import { boundsOf, contains } from "./keys.js";
import type { Compare, KeyRange, Operation, RangeOptions, Transaction } from "./types.js";

function badRequest(message: string): MeshError {
  return new MeshError("MESH_BAD_REQUEST", { message });
}

function refuseText(kind: string, text: unknown, problem: string): never {
  const shown = typeof text === "string" ? ` ${JSON.stringify(text.slice(0, 80))}` : "";
  throw new MeshError("MESH_STORE_KEY_INVALID", { message: `the ${kind}${shown} ${problem}` });
}

/** Well-formed Unicode without NUL and not too long; the bound of a range may also be empty. */
function validateKeyText(kind: string, text: unknown): number {
  if (typeof text !== "string") return refuseText(kind, text, "is not a text");
  if (text.includes("\0")) refuseText(kind, text, "holds the character NUL");
  if (/\p{Surrogate}/u.test(text)) refuseText(kind, text, "holds half a surrogate pair");
  const bytes = Buffer.byteLength(text, "utf8");
  if (bytes > limits.STORE_KEY_BYTES_MAX) {
    refuseText(kind, text, `has ${bytes} bytes; ${limits.STORE_KEY_BYTES_MAX} are allowed`);
  }
  return bytes;
}

/** Throws `MESH_STORE_KEY_INVALID`, or returns the length of the key in bytes. */
export function validateKey(key: string): number {
  if (key === "") refuseText("key", undefined, "is empty");
  return validateKeyText("key", key);
}

export function validateRange(range: KeyRange): void {
  if ("prefix" in range) {
    validateKeyText("prefix", range.prefix);
    return;
  }
  validateKeyText("start of the range", range.start);
  validateKeyText("end of the range", range.end);
}

function validateInteger(name: string, value: unknown, minimum: number): void {
  if (!Number.isSafeInteger(value) || (value as number) < minimum) {
    throw badRequest(`${name} must be an integer of at least ${minimum}`);
  }
}

/** Revisions start at 1, the revision of an empty store. */
export function validateRevision(name: string, revision: number): void {
  validateInteger(name, revision, 1);
}

/** A revision that can be read: not compacted and not in the future. */
export function validateReadable(revision: number, compacted: number, current: number): void {
  validateRevision("revision", revision);
  if (revision < compacted) throw compactedError(revision, compacted);
  if (revision > current) {
    throw new MeshError("MESH_STORE_FUTURE_REVISION", {
      message: `revision ${revision} is not there yet; the last one is ${current}`,
      details: { revision, currentRevision: current },
    });
  }
}

export function compactedError(revision: number, compactedRevision: number): MeshError {
  return new MeshError("MESH_STORE_COMPACTED", {
    message: `revision ${revision} is gone: the history up to ${compactedRevision} is compacted`,
    details: { revision, compactedRevision },
  });
}

/** The number of entries to return at most. */
export function validateRangeOptions(options: RangeOptions): number {
  const limit = options.limit ?? limits.STORE_RANGE_ENTRIES_MAX;
  validateInteger("limit", limit, 1);
  return Math.min(limit, limits.STORE_RANGE_ENTRIES_MAX);
}

export function validateLeaseTtl(ttlMs: number): void {
  validateInteger("ttlMs", ttlMs, 1);
  if (ttlMs > limits.STORE_LEASE_TTL_MS_MAX) {
    throw badRequest(`ttlMs must be at most ${limits.STORE_LEASE_TTL_MS_MAX}`);
  }
}

/** 0 stands for no lease in an entry; it is none. */
export function validateLeaseId(leaseId: number): void {
  validateInteger("leaseId", leaseId, 1);
}

function validateCompare(compare: Compare): number {
  const keyBytes = validateKey(compare.key);
  if (compare.target === "value") return keyBytes + validateValue(compare.value);
  validateInteger(`the ${compare.target} to compare with`, compare.value, 0);
  return keyBytes;
}

function validateValue(value: unknown): number {
  if (!(value instanceof Uint8Array)) throw badRequest("a value must be a Uint8Array");
  if (value.length > limits.STORE_VALUE_BYTES_MAX) {
    throw new MeshError("MESH_STORE_VALUE_TOO_LARGE", {
      message: `a value has ${value.length} bytes; ${limits.STORE_VALUE_BYTES_MAX} are allowed`,
      details: { limitBytes: limits.STORE_VALUE_BYTES_MAX },
    });
  }
  return value.length;
}

function validateOperation(operation: Operation): number {
  switch (operation.type) {
    case "put":
      validateInteger("leaseId", operation.leaseId ?? 0, 0);
      return validateKey(operation.key) + validateValue(operation.value);
    case "delete":
    case "get":
      return validateKey(operation.key);
    case "deleteRange":
      validateRange(operation.range);
      return 0;
    default:
      throw badRequest("an operation must be put, delete, deleteRange or get");
  }
}

/** A key may be put or deleted once in a branch, and a key that is put lies in no deleted range. */
function refuseDoubleWrites(branch: readonly Operation[]): void {
  const written = new Set<string>();
  for (const operation of branch) {
    if (operation.type !== "put" && operation.type !== "delete") continue;
    if (written.has(operation.key)) {
      throw badRequest(`the transaction writes ${JSON.stringify(operation.key)} twice`);
    }
    written.add(operation.key);
  }
  for (const operation of branch) {
    if (operation.type !== "deleteRange") continue;
    const bounds = boundsOf(operation.range);
    for (const other of branch) {
      if (other.type === "put" && contains(bounds, other.key)) {
        throw badRequest(`the transaction puts and deletes ${JSON.stringify(other.key)}`);
      }
    }
  }
}

function refuseTooLarge(what: string, count: number, limit: number): void {
  if (count <= limit) return;
  throw new MeshError("MESH_STORE_TXN_TOO_LARGE", {
    message: `the transaction has ${count} ${what}; ${limit} are allowed`,
    details: { count, limit },
  });
}

/** Throws the error for a transaction that no engine takes, or returns its size in bytes. */
export function validateTransaction(transaction: Transaction): number {
  const { guard, compare = [], success, failure = [] } = transaction;
  const operationsMax = limits.STORE_TXN_OPERATIONS_MAX;
  refuseTooLarge("compares", compare.length, operationsMax);
  refuseTooLarge("operations in one branch", success.length, operationsMax);
  refuseTooLarge("operations in one branch", failure.length, operationsMax);
  let bytes = guard === undefined ? 0 : validateCompare(guard);
  for (const item of compare) bytes += validateCompare(item);
  for (const branch of [success, failure]) {
    for (const operation of branch) bytes += validateOperation(operation);
    if (branch.length > 1) refuseDoubleWrites(branch);
  }
  refuseTooLarge("bytes of keys and values", bytes, limits.STORE_TXN_BYTES_MAX);
  return bytes;
}

/** The guard of a transaction does not hold. */
export function guardError(guard: Compare): MeshError {
  return new MeshError("MESH_EPOCH_OLD", {
    message: `the guard on ${JSON.stringify(guard.key)} does not hold: another leader took over`,
    details: { key: guard.key },
  });
}

/** A transaction deletes at most as many keys as a range may return. */
export function refuseLargeDeletion(count: number): void {
  refuseTooLarge("keys to delete", count, limits.STORE_RANGE_ENTRIES_MAX);
}

/** `keys` is how many keys the lease would have, counting each new one. */
export function refuseFullLease(leaseId: number, keys: number): void {
  if (keys <= limits.STORE_LEASE_KEYS_MAX) return;
  throw new MeshError("MESH_LIMIT", {
    message: `lease ${leaseId} would have more than ${limits.STORE_LEASE_KEYS_MAX} keys`,
    details: { leaseId, limit: limits.STORE_LEASE_KEYS_MAX },
  });
}

export function refuseTooManyLeases(openLeases: number): void {
  if (openLeases < limits.STORE_LEASES_MAX) return;
  throw new MeshError("MESH_LIMIT", {
    message: `the store has ${limits.STORE_LEASES_MAX} open leases already`,
  });
}

export function leaseEndedError(leaseId: number): MeshError {
  return new MeshError("MESH_STORE_LEASE_UNKNOWN", {
    message: `lease ${leaseId} has ended`,
    details: { leaseId },
  });
}
