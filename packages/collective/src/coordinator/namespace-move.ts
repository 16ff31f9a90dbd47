/**
 * Moving an entry, as `rename(2)` does it: the target takes the place of a file or an empty
 * directory of its own kind when `overwrite` says so. Two rows are written, whatever lies below.
 *
 * Directories move with the gate held alone. So nobody makes a circle of two moves, and a directory
 * that was seen to be empty stays so until it is replaced.
 */
import { MeshError } from "@hearthmesh/core";
import {
  type Compare,
  expectMissing,
  expectRevision,
  type Operation,
  put,
  remove,
} from "@hearthmesh/store";
import type { Entry } from "../types.js";
import type { Access } from "./access.js";
import { type Directory, notADirectory, notFound, stillThere } from "./directories.js";
import { keys } from "./keys.js";
import {
  bury,
  existsError,
  type Found,
  isDirectoryError,
  loadEntry,
  type NamespaceContext,
  notEmptyError,
} from "./namespace-context.js";
import { isWithin, type MeshPath, nameOf, parentOf } from "./paths.js";
import { encodeEntry, entryOf } from "./records.js";
import { type Attempt, isEmpty, withRetries } from "./store-helpers.js";

export interface MoveRequest {
  readonly from: MeshPath;
  readonly to: MeshPath;
  readonly overwrite: boolean;
}

interface Place {
  readonly parent: Directory;
  readonly key: string;
}

/** The entry at its new place. Moving a path to itself changes nothing. */
export async function moveEntry(
  context: NamespaceContext,
  access: Access,
  request: MoveRequest,
): Promise<Entry> {
  const { from, to } = request;
  access.require(from, "read", "delete");
  access.require(to, "write");
  if (from.names.length === 0 || to.names.length === 0) {
    throw new MeshError("MESH_PATH_INVALID", { message: "the root directory cannot be moved" });
  }
  return withRetries(async () => {
    const source = await loadEntry(context.store, (await sourcePlace(context, from)).key);
    if (source === undefined) throw notFound(from);
    if (source.record.kind === "file") {
      return context.gate.shared(() => attemptMove(context, request, "file"));
    }
    if (from.text !== to.text && isWithin(from, to)) {
      throw new MeshError("MESH_PATH_INVALID", {
        message: `${from.text} cannot be moved into itself`,
        hint: "Choose a target outside the directory that is moved.",
      });
    }
    access.requireBelow(from, "read", "delete");
    access.requireBelow(to, "write");
    return context.gate.alone(() => attemptMove(context, request, "directory"));
  });
}

async function sourcePlace(context: NamespaceContext, path: MeshPath): Promise<Place> {
  const parent = await context.directories.existing(parentOf(path), path);
  return { parent, key: keys.entry(parent.id, nameOf(path)) };
}

async function attemptMove(
  context: NamespaceContext,
  request: MoveRequest,
  kind: "file" | "directory",
): Promise<Attempt<Entry>> {
  const { from, to } = request;
  const source = await sourcePlace(context, from);
  const parent = await context.directories.parent(parentOf(to));
  const target = { parent, key: keys.entry(parent.id, nameOf(to)) };
  return context.mutex.run([source.key, target.key], async () => {
    const [moved, replaced] = await Promise.all([
      loadEntry(context.store, source.key),
      loadEntry(context.store, target.key),
    ]);
    if (moved === undefined) throw notFound(from);
    // The gate was chosen for the other kind.
    if (moved.record.kind !== kind) return "again";
    if (source.key === target.key) {
      return { done: entryOf(to.text, nameOf(to), moved.record) };
    }
    await checkReplaced(context, request, moved, replaced);
    return writeMove(context, from, to, { source, target, moved, replaced });
  });
}

async function checkReplaced(
  context: NamespaceContext,
  request: MoveRequest,
  moved: Found,
  replaced: Found | undefined,
): Promise<void> {
  if (replaced === undefined) return;
  const { to, overwrite } = request;
  if (!overwrite) throw existsError(to);
  if (replaced.record.kind === "file") {
    if (moved.record.kind === "directory") throw notADirectory(to);
    return;
  }
  if (moved.record.kind === "file") throw isDirectoryError(to);
  const children = keys.children(replaced.record.fileId);
  if (!(await isEmpty(context.store, children))) throw notEmptyError(to);
}

interface Move {
  readonly source: Place;
  readonly target: Place;
  readonly moved: Found;
  readonly replaced: Found | undefined;
}

async function writeMove(
  context: NamespaceContext,
  from: MeshPath,
  to: MeshPath,
  move: Move,
): Promise<Attempt<Entry>> {
  const { source, target, moved, replaced } = move;
  const { directories, usage, copies } = context;
  const isFile = moved.record.kind === "file";
  const forCopies = isFile
    ? copies?.linking(to.text, moved.record.fileId)
    : copies?.moving(from.text, to.text);
  const result = await context.store.transact({
    compare: comparesOf(move),
    success: [
      remove(source.key),
      put(target.key, encodeEntry(moved.record)),
      ...buryReplaced(context, replaced),
      ...(forCopies ?? []),
    ],
  });
  if (!result.succeeded) {
    directories.forgetAll();
    return "again";
  }
  if (isFile) copies?.linked(to.text);
  else copies?.moved(from.text, to.text);
  directories.forget(source.key);
  directories.forget(target.key);
  if (moved.record.kind === "directory") {
    directories.wrote(target.key, moved.record.fileId, result.revision);
  }
  if (replaced?.record.kind === "file")
    usage.add(-1, -replaced.record.sizeBytes, replaced.record.owner);
  return { done: entryOf(to.text, nameOf(to), moved.record) };
}

function comparesOf({ source, target, moved, replaced }: Move): Compare[] {
  const parents = [...stillThere(source.parent)];
  if (target.parent.id !== source.parent.id) parents.push(...stillThere(target.parent));
  return [
    ...parents,
    expectRevision(source.key, moved.row.modRevision),
    replaced === undefined
      ? expectMissing(target.key)
      : expectRevision(target.key, replaced.row.modRevision),
  ];
}

/** An empty directory leaves nothing behind: without its row nobody can put anything in it. */
function buryReplaced(context: NamespaceContext, replaced: Found | undefined): Operation[] {
  return replaced?.record.kind === "file" ? bury(context, replaced.record) : [];
}
