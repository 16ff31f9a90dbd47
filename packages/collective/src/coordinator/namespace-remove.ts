/**
 * Removing an entry. A tree goes in one transaction: its top row is deleted, and a note for the
 * sweeper is left in the same moment. Nothing leads to what is below any more; rows and chunks are
 * taken away later, in batches, by the garbage collector.
 */
import { MeshError } from "@hearthmesh/core";
import { expectRevision, remove } from "@hearthmesh/store";
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
import { type Attempt, isEmpty, withRetries } from "./store-helpers.js";

export interface RemoveRequest {
  readonly path: MeshPath;
  readonly recursive: boolean;
  readonly ifMatch?: string;
}

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
  return withRetries(async () => {
    const { found } = await locate(context, path);
    checkIfMatch(path, request.ifMatch, found.record);
    if (found.record.kind === "directory" && !recursive) {
      return context.gate.alone(() => attemptRemove(context, request, "empty directory"));
    }
    if (found.record.kind === "directory") access.requireBelow(path, "delete");
    return context.gate.shared(() => attemptRemove(context, request, found.record.kind));
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
    return writeRemoval(context, key, found, expected);
  });
}

async function writeRemoval(
  context: NamespaceContext,
  key: string,
  { row, record }: Found,
  expected: Expected,
): Promise<Attempt<number>> {
  const buried = expected === "empty directory" ? [] : bury(context, record);
  const result = await context.store.transact({
    compare: [expectRevision(key, row.modRevision)],
    success: [remove(key), ...buried],
  });
  context.directories.forget(key);
  if (!result.succeeded) return "again";
  if (record.kind === "file") context.usage.add(-1, -record.sizeBytes);
  return { done: 1 };
}
