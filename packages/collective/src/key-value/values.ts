/** Reading, writing and deleting one key, and deleting a whole prefix. */
import { isMeshError, limits, MeshError } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import {
  type Compare,
  expectExists,
  expectMissing,
  expectRevision,
  type KeyValue,
  type Operation,
  put,
  read,
  remove,
  removeRange,
  type TransactionResult,
} from "@hearthmesh/store";
import { accessOf, fenceGuard, type KeyValueContext, keyEntry, runTransaction } from "./context.js";
import { dataKey, onlyKey, parseDirectory, parseKey, pathOf } from "./keys.js";
import type { KeyRead, KeysDeleted, KeyWritten, PutOptions } from "./types.js";
import type { Growth } from "./usage-meter.js";
import { entryBytes } from "./usage-table.js";

export async function getKey(
  context: KeyValueContext,
  principal: Principal,
  text: string,
  options: { readonly revision?: number } = {},
): Promise<KeyRead> {
  const key = parseKey(text);
  accessOf(context, principal).require(pathOf(key), "read");
  const page = await context.store.range(onlyKey(dataKey(key)), { ...options, limit: 1 });
  const [entry] = page.entries;
  if (entry === undefined) throw notFound(key, page.revision);
  return { entry: keyEntry(entry), revision: page.revision };
}

export async function putKey(
  context: KeyValueContext,
  principal: Principal,
  text: string,
  value: Uint8Array,
  options: PutOptions = {},
): Promise<KeyWritten> {
  const key = parseKey(text);
  const access = accessOf(context, principal);
  access.require(pathOf(key), "write");
  checkPut(value, options);
  const { ttlMs, leaseId, fence } = options;
  if (leaseId !== undefined) await context.leases.requireUsable(principal, leaseId);
  const guard = fence && { fence, guard: await fenceGuard(context, access, fence) };
  const storeKey = dataKey(key);
  const compare = conditionOf(storeKey, options);
  const write = (id: number | undefined, more: readonly Operation[]) =>
    runTransaction(
      context,
      {
        compare,
        success: [read(storeKey), put(storeKey, value, id), ...more],
        failure: [read(storeKey)],
      },
      guard,
    );
  const release = await admitPut(context, storeKey, value);
  try {
    if (ttlMs === undefined) return await written(context, key, await write(leaseId, []), leaseId);
    const request = { ttlMs, purpose: "key" as const };
    const granted = await context.leases.grant(principal, request, (id, record) =>
      write(id, [record]),
    );
    return await written(context, key, granted.result, granted.leaseId);
  } finally {
    release();
  }
}

/** `MESH_KV_NOT_FOUND` when it is not there, `MESH_KV_CHANGED` when it is another one. */
export async function deleteKey(
  context: KeyValueContext,
  principal: Principal,
  text: string,
  { ifMatch }: { readonly ifMatch?: number | "*" } = {},
): Promise<KeysDeleted> {
  const key = parseKey(text);
  accessOf(context, principal).require(pathOf(key), "delete");
  const storeKey = dataKey(key);
  const condition = typeof ifMatch === "number" ? expectRevision(storeKey, ifMatch) : undefined;
  const result = await runTransaction(context, {
    compare: [condition ?? expectExists(storeKey)],
    success: [read(storeKey), remove(storeKey)],
    failure: [read(storeKey)],
  });
  const previous = firstEntry(result);
  if (!result.succeeded) {
    throw previous === undefined ? notFound(key, result.revision) : changed(key, previous);
  }
  await context.leases.endIfOfKey(previous?.leaseId ?? 0);
  return { deleted: 1, revision: result.revision };
}

/**
 * All keys with the prefix, in one transaction. `MESH_STORE_TXN_TOO_LARGE` above
 * `limits.STORE_RANGE_ENTRIES_MAX` keys, and nothing is deleted.
 */
export async function deleteKeys(
  context: KeyValueContext,
  principal: Principal,
  text: string,
): Promise<KeysDeleted> {
  const prefix = parseDirectory(text);
  accessOf(context, principal).requireBelow(prefix, "delete");
  try {
    const result = await runTransaction(context, {
      success: [removeRange({ prefix: dataKey(prefix) })],
    });
    const [first] = result.results;
    return { deleted: first?.type === "delete" ? first.deleted : 0, revision: result.revision };
  } catch (error) {
    if (!isMeshError(error, "MESH_STORE_TXN_TOO_LARGE")) throw error;
    throw new MeshError("MESH_STORE_TXN_TOO_LARGE", {
      message: `more than ${limits.STORE_RANGE_ENTRIES_MAX} keys begin with the prefix`,
      hint: "Nothing was deleted. Delete longer prefixes, one after the other.",
      cause: error,
    });
  }
}

export function checkValue(value: unknown): void {
  const max = limits.STORE_VALUE_BYTES_MAX;
  if (!(value instanceof Uint8Array)) {
    throw new MeshError("MESH_BAD_REQUEST", { message: "a value must be bytes" });
  }
  if (value.length <= max) return;
  throw new MeshError("MESH_STORE_VALUE_TOO_LARGE", {
    message: `the value has ${value.length} bytes; ${max} are allowed`,
    hint: "Keep what is larger in a file, and its path here.",
    details: { limitBytes: max },
  });
}

function checkPut(value: Uint8Array, options: PutOptions): void {
  checkValue(value);
  const { ttlMs, leaseId, ifMatch, ifNoneMatch } = options;
  if (ttlMs !== undefined && leaseId !== undefined) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: "a key has a time to live of its own or a lease, not both",
    });
  }
  if (ifMatch !== undefined && ifNoneMatch !== undefined) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: "a key cannot both be there and not be there",
    });
  }
}

/** How much the put adds at most is known; what was there before is looked at when it matters. */
function admitPut(
  { usage, store }: KeyValueContext,
  storeKey: string,
  value: Uint8Array,
): Promise<() => void> {
  const bytes = entryBytes(storeKey, value);
  return usage.admit({ entries: 1, bytes }, async (): Promise<Growth> => {
    const before = await store.get(storeKey);
    if (before === undefined) return { entries: 1, bytes };
    return { entries: 0, bytes: bytes - entryBytes(storeKey, before.value) };
  });
}

function conditionOf(storeKey: string, { ifMatch, ifNoneMatch }: PutOptions): Compare[] {
  if (ifNoneMatch !== undefined) return [expectMissing(storeKey)];
  if (ifMatch === undefined) return [];
  return [ifMatch === "*" ? expectExists(storeKey) : expectRevision(storeKey, ifMatch)];
}

async function written(
  { leases }: KeyValueContext,
  key: string,
  result: TransactionResult,
  leaseId = 0,
): Promise<KeyWritten> {
  const previous = firstEntry(result);
  if (!result.succeeded) throw changed(key, previous);
  if (previous?.leaseId !== leaseId) await leases.endIfOfKey(previous?.leaseId ?? 0);
  const { revision } = result;
  const createRevision = previous?.createRevision ?? revision;
  return { key, revision, createRevision, version: (previous?.version ?? 0) + 1, leaseId };
}

function firstEntry({ results }: TransactionResult): KeyValue | undefined {
  const [first] = results;
  return first?.type === "get" ? first.entry : undefined;
}

function notFound(key: string, revision: number): MeshError {
  return new MeshError("MESH_KV_NOT_FOUND", {
    message: `there is no key ${JSON.stringify(key)}`,
    details: { revision },
  });
}

function changed(key: string, current: KeyValue | undefined): MeshError {
  const modRevision = current?.modRevision ?? 0;
  const now = modRevision === 0 ? "is not there" : `was last written by revision ${modRevision}`;
  return new MeshError("MESH_KV_CHANGED", {
    message: `the key ${JSON.stringify(key)} ${now}`,
    details: { modRevision },
  });
}
