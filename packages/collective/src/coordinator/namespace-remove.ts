/**
 * Removing an entry. A tree goes in one transaction: its top row is deleted, and in the same moment
 * it is put in the trash, or a note for the sweeper is left when there is no trash for it. Nothing
 * leads to what is below any more; rows and chunks are taken away later, in batches, by the garbage
 * collector.
 */
import { MeshError } from "@hearthmesh/core";
import { expectRevision, type Operation, put, remove } from "@hearthmesh/store";
import type { Access } from "./access.js";
import { notFound } from "./directories.js";
import { keys } from "./keys.js";
import {
  bury,
  checkIfMatch,
  type Found,
  loadEntry,
  type NamespaceContext,
  notEmptyError,
} from "./namespace-context.js";
import { type MeshPath, nameOf, parentOf } from "./paths.js";
import type { EntryRecord } from "./records.js";
import { type Attempt, isEmpty, withRetries } from "./store-helpers.js";
import { encodeTrash, trashKey } from "./trash-records.js";

export interface RemoveRequest {
  readonly path: MeshPath;
  readonly recursive: boolean;
  readonly ifMatch?: string;
  /** It does not go to the trash. */
  readonly permanent?: boolean;
}

/** Copies that peers keep here are written and removed by programs, and count for a quota. */
const NEVER_IN_TRASH = ".copies";

/**
 * Removes a file or an empty directory, with `recursive` any directory. A directory that is not
 * empty is `MESH_DIRECTORY_NOT_EMPTY`. Resolves to 1, the entry that was taken out.
 */
export async function removeEntry(
  context: NamespaceContext,
  access: Access,
  request: RemoveRequest,
): Promise<number> {
  const { path, recursive } = request;
  access.require(path, "delete");
  if (path.names.length === 0) {
    throw new MeshError("MESH_PATH_INVALID", {
      message: "the root directory cannot be removed",
      hint: "Remove what is in it.",
    });
  }
  const by = access.principal.spiffeId;
  return withRetries(async () => {
    const { found } = await locate(context, path);
    checkIfMatch(path, request.ifMatch, found.record);
    if (found.record.kind === "directory" && !recursive) {
      return context.gate.alone(() => attemptRemove(context, request, "empty directory", by));
    }
    if (found.record.kind === "directory") access.requireBelow(path, "delete");
    return context.gate.shared(() => attemptRemove(context, request, found.record.kind, by));
  });
}

async function keyOf(context: NamespaceContext, path: MeshPath): Promise<string> {
  const parent = await context.directories.existing(parentOf(path), path);
  return keys.entry(parent.id, nameOf(path));
}

async function locate(context: NamespaceContext, path: MeshPath) {
  const key = await keyOf(context, path);
  const found = await loadEntry(context.store, key);
  if (found === undefined) throw notFound(path);
  return { key, found };
}

type Expected = "file" | "directory" | "empty directory";

async function attemptRemove(
  context: NamespaceContext,
  request: RemoveRequest,
  expected: Expected,
  by: string,
): Promise<Attempt<number>> {
  const { path, ifMatch } = request;
  const wanted = await keyOf(context, path);
  return context.mutex.run([wanted], async () => {
    const { key, found } = await locate(context, path);
    const kind = expected === "file" ? "file" : "directory";
    // Moved or replaced while we waited: start over, the gate may have to be another one.
    if (key !== wanted || found.record.kind !== kind) return "again";
    checkIfMatch(path, ifMatch, found.record);
    if (expected === "empty directory") {
      const children = keys.children(found.record.fileId);
      if (!(await isEmpty(context.store, children))) throw notEmptyError(path);
    }
    const trashed = goesToTrash(context, request, expected);
    return writeRemoval(context, key, found, { expected, by, path: trashed ? path : undefined });
  });
}

interface Removal {
  readonly expected: Expected;
  /** SPIFFE id. */
  readonly by: string;
  /** Where it lay, when it goes to the trash. */
  readonly path: MeshPath | undefined;
}

/** An empty directory is made again with one command. */
function goesToTrash(
  { trashRetentionMs }: NamespaceContext,
  { path, permanent }: RemoveRequest,
  expected: Expected,
): boolean {
  if (trashRetentionMs <= 0 || permanent === true || expected === "empty directory") return false;
  return path.names[0] !== NEVER_IN_TRASH;
}

function buriedBy(context: NamespaceContext, record: EntryRecord, removal: Removal): Operation[] {
  const { expected, by, path } = removal;
  if (expected === "empty directory") return [];
  if (path === undefined) return bury(context, record);
  const deletedAtMs = context.clock.nowMs();
  const trashed = { path: path.text, deletedAtMs, deletedBy: by, entry: record };
  return [put(trashKey(deletedAtMs, record.fileId), encodeTrash(trashed))];
}

async function writeRemoval(
  context: NamespaceContext,
  key: string,
  { row, record }: Found,
  removal: Removal,
): Promise<Attempt<number>> {
  const buried = buriedBy(context, record, removal);
  const result = await context.store.transact({
    compare: [expectRevision(key, row.modRevision)],
    success: [remove(key), ...buried],
  });
  context.directories.forget(key);
  if (!result.succeeded) return "again";
  if (record.kind === "file") {
    context.usage.add(-1, -record.sizeBytes, record.owner);
    if (removal.path !== undefined) context.usage.addTrash(1, record.sizeBytes, record.owner);
  }
  return { done: 1 };
}
