/**
 * Puts a file in place: the one transaction that makes content visible, for small files and for
 * uploads alike. It writes the entry, leaves the old content to the sweeper and writes what the
 * caller adds (references, repair rows, the end of an upload), or nothing at all.
 */
import {
  type Compare,
  expectMissing,
  expectRevision,
  type KeyValue,
  type Operation,
  put,
} from "@hearthmesh/store";
import type { Entry } from "../types.js";
import { type Directory, stillThere } from "./directories.js";
import { keys } from "./keys.js";
import {
  bury,
  checkIfMatch,
  type Found,
  isDirectoryError,
  type NamespaceContext,
} from "./namespace-context.js";
import { type MeshPath, nameOf, parentOf } from "./paths.js";
import { decodeEntry, encodeEntry, entryOf, type FileRecord } from "./records.js";
import { type Attempt, getOperations, readRow, withRetries } from "./store-helpers.js";

export interface LinkFileRequest {
  readonly path: MeshPath;
  readonly record: FileRecord;
  readonly ifMatch?: string | undefined;
  readonly operations: readonly Operation[];
  /** A row that must still be as it was read, such as the upload's; else `lost` is thrown. */
  readonly guard?: { readonly key: string; readonly modRevision: number };
  lost?(): Error;
}

interface Target {
  readonly key: string;
  readonly parent: Directory;
}

/** `MESH_PARENT_MISSING`, `MESH_IS_A_DIRECTORY`, `MESH_PATH_CHANGED`, or what `lost` makes. */
export async function linkFile(
  context: NamespaceContext,
  request: LinkFileRequest,
): Promise<Entry> {
  const { path } = request;
  if (path.names.length === 0) throw isDirectoryError(path);
  return withRetries(() =>
    context.gate.shared(async () => {
      const parent = await context.directories.parent(parentOf(path));
      const key = keys.entry(parent.id, nameOf(path));
      return context.mutex.run([key], () => attemptLink(context, request, { key, parent }));
    }),
  );
}

/**
 * Most files are new, so without a condition the first try assumes that nothing is there and reads
 * nothing; when something is, the failed transaction has read it.
 */
async function attemptLink(
  context: NamespaceContext,
  request: LinkFileRequest,
  target: Target,
): Promise<Attempt<Entry>> {
  const { path, ifMatch } = request;
  const lookFirst = ifMatch !== undefined && ifMatch !== "";
  let existing = lookFirst ? foundIn(await context.store.get(target.key)) : undefined;
  for (let round = 0; round < 2; round++) {
    checkIfMatch(path, ifMatch, existing?.record);
    if (existing?.record.kind === "directory") throw isDirectoryError(path);
    const outcome = await writeLink(context, request, target, existing);
    if ("done" in outcome) return outcome;
    if (outcome.parentChanged) return "again";
    existing = outcome.existing;
  }
  return "again";
}

type WriteOutcome =
  | { readonly done: Entry }
  | { readonly parentChanged: boolean; readonly existing: Found | undefined };

async function writeLink(
  context: NamespaceContext,
  request: LinkFileRequest,
  target: Target,
  existing: Found | undefined,
): Promise<WriteOutcome> {
  const { path, guard } = request;
  const old = existing?.record.kind === "file" ? existing.record : undefined;
  const record =
    old === undefined ? request.record : { ...request.record, createdAtMs: old.createdAtMs };
  const { row: parentRow } = target.parent;
  const readBack = [target.key, parentRow?.key, guard?.key].map((key) => key ?? target.key);
  const result = await context.store.transact({
    compare: comparesOf(request, target, existing),
    success: [
      put(target.key, encodeEntry(record)),
      ...(old === undefined ? [] : bury(context, old)),
      ...(context.copies?.linking(path.text, record.fileId) ?? []),
      ...request.operations,
    ],
    failure: getOperations(readBack),
  });
  if (result.succeeded) {
    context.usage.add(1, record.sizeBytes, record.owner);
    if (old !== undefined) context.usage.add(-1, -old.sizeBytes, old.owner);
    context.copies?.linked(path.text);
    return { done: entryOf(path.text, nameOf(path), record) };
  }
  const isAs = (at: number, wanted: { modRevision: number } | undefined) =>
    wanted === undefined || readRow(result, at)?.modRevision === wanted.modRevision;
  if (!isAs(2, guard) && request.lost !== undefined) throw request.lost();
  const parentChanged = !isAs(1, parentRow);
  if (parentChanged && parentRow !== undefined) context.directories.forget(parentRow.key);
  return { parentChanged, existing: foundIn(readRow(result, 0)) };
}

function comparesOf(
  request: LinkFileRequest,
  target: Target,
  existing: Found | undefined,
): Compare[] {
  const { guard } = request;
  return [
    ...stillThere(target.parent),
    existing === undefined
      ? expectMissing(target.key)
      : expectRevision(target.key, existing.row.modRevision),
    ...(guard === undefined ? [] : [expectRevision(guard.key, guard.modRevision)]),
  ];
}

function foundIn(row: KeyValue | undefined): Found | undefined {
  return row === undefined ? undefined : { row, record: decodeEntry(row.value) };
}
