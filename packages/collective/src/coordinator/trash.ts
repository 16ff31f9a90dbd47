/**
 * The trash: what was removed and can still be had back. An entry is in the namespace, or in the
 * trash, or dead; each step is one transaction, so it is never in two of them and never in none.
 *
 *     namespace --remove--> trash --restore--> namespace
 *                           trash --empty, retention over--> dead (see `workers/sweeper.ts`)
 *
 * Nobody reads what is in the trash. Who may delete a path may see what lay there and bring it back
 * to where it lay; bringing it elsewhere asks for what moving it there would have asked for.
 * References stay, so repair and scrub work on it as on every other content.
 */
import type { FileId } from "@hearthmesh/core";
import { limits, MeshError } from "@hearthmesh/core";
import { expectMissing, expectRevision, type KeyValue, put, remove } from "@hearthmesh/store";
import type { Entry } from "../types.js";
import type { Access } from "./access.js";
import { stillThere } from "./directories.js";
import { keys } from "./keys.js";
import type { Namespace } from "./namespace.js";
import { bury, type NamespaceContext } from "./namespace-context.js";
import { isWithin, type MeshPath, nameOf, parentOf, parsePath } from "./paths.js";
import { encodeEntry, entryOf } from "./records.js";
import { type Attempt, withRetries } from "./store-helpers.js";
import {
  decodeTrash,
  keyOfTrashId,
  type TrashRecord,
  trashBefore,
  trashIdOf,
  trashRows,
} from "./trash-records.js";
import type { Progress } from "./workers/worker-definition.js";

const PAGE_ROWS = 256;

/** An entry of the trash as people see it. */
export interface TrashEntry extends Pick<Entry, "path" | "name" | "kind" | "sizeBytes" | "owner"> {
  readonly id: string;
  readonly fileId: FileId;
  readonly modifiedAtMs: number;
  readonly deletedAtMs: number;
  readonly deletedBy: string;
  /** When it is emptied; absent while nothing is emptied by itself. */
  readonly endsAtMs?: number;
}

export interface TrashPage {
  /** Newest first. */
  readonly entries: readonly TrashEntry[];
  /** Id after which the next page begins; absent at the end. */
  readonly next?: string;
}

export interface TrashListRequest {
  /** What lay there or below. */
  readonly path: MeshPath;
  readonly after: string | undefined;
  readonly limit: number;
}

export interface TrashRestoreRequest {
  readonly id: string;
  /** Absent: where it lay. */
  readonly to: MeshPath | undefined;
  /** Makes directories that are missing on the way. */
  readonly parents: boolean;
}

export interface TrashEmptyRequest {
  readonly path: MeshPath;
  readonly id: string | undefined;
  /** Only what was removed before. */
  readonly beforeMs: number | undefined;
}

interface Found {
  readonly row: KeyValue;
  readonly record: TrashRecord;
}

export class Trash {
  readonly #context: NamespaceContext;
  readonly #namespace: Namespace;
  #held = 0;

  constructor(context: NamespaceContext, namespace: Namespace) {
    this.#context = context;
    this.#namespace = namespace;
  }

  /** Entries that the last run of the worker left. */
  get length(): number {
    return this.#held;
  }

  async list(access: Access, request: TrashListRequest): Promise<TrashPage> {
    const { path, after, limit } = request;
    if (!mayHoldAny(access, path)) return { entries: [] };
    const entries: TrashEntry[] = [];
    let bytes = 0;
    for await (const found of this.#newestFirst(after)) {
      if (!isWithin(path, placeOf(found.record)) || !mayDelete(access, found.record)) continue;
      const entry = this.#entry(found);
      bytes += Buffer.byteLength(JSON.stringify(entry)) + 1;
      const last = entries.at(-1);
      const isFull = entries.length === limit || bytes > limits.LIST_PAGE_BYTES_MAX;
      if (isFull && last !== undefined) return { entries, next: last.id };
      entries.push(entry);
    }
    return { entries };
  }

  /**
   * `MESH_NOT_FOUND`; `MESH_FORBIDDEN`; `MESH_PATH_EXISTS` when the place is taken,
   * `MESH_PARENT_MISSING` when its directory is gone.
   */
  restore(access: Access, request: TrashRestoreRequest): Promise<Entry> {
    return withRetries(async () => {
      const found = await this.#find(request.id);
      const from = placeOf(found.record);
      const to = request.to ?? from;
      requireRestore(access, found.record, from, to);
      if (request.parents && to.names.length > 1) {
        await this.#namespace.makeDirectory(access, parentOf(to), true);
      }
      const { gate } = this.#context;
      const isFile = found.record.entry.kind === "file";
      const attempt = () => this.#attemptRestore(found, to);
      return isFile ? gate.shared(attempt) : gate.alone(attempt);
    });
  }

  /** How many entries left the trash for good. */
  async empty(access: Access, request: TrashEmptyRequest): Promise<number> {
    const { id, path, beforeMs = Number.POSITIVE_INFINITY } = request;
    if (id !== undefined) {
      const found = await this.#find(id);
      if (!mayDelete(access, found.record)) throw notThere();
      return (await this.#discard(found)) ? 1 : 0;
    }
    let emptied = 0;
    if (!mayHoldAny(access, path)) return emptied;
    for await (const found of this.#newestFirst(undefined)) {
      const { record } = found;
      if (record.deletedAtMs >= beforeMs) continue;
      if (!isWithin(path, placeOf(record)) || !mayDelete(access, record)) continue;
      if (await this.#discard(found)) emptied++;
    }
    return emptied;
  }

  /** The worker: what has been in the trash for its whole time goes. */
  async expire(signal: AbortSignal, progress: Progress): Promise<void> {
    const { clock, trashRetentionMs } = this.#context;
    const dueMs = clock.nowMs() - trashRetentionMs;
    let held = 0;
    for await (const found of this.#newestFirst(undefined)) {
      signal.throwIfAborted();
      progress.at(found.record.path);
      if (found.record.deletedAtMs > dueMs) held++;
      else if (await this.#discard(found)) progress.done(1);
      await progress.pace(0);
    }
    this.#held = held;
  }

  async #attemptRestore({ row, record }: Found, to: MeshPath): Promise<Attempt<Entry>> {
    const { store, directories, mutex, usage } = this.#context;
    const parent = await directories.parent(parentOf(to));
    const key = keys.entry(parent.id, nameOf(to));
    return mutex.run([key], async (): Promise<Attempt<Entry>> => {
      if ((await store.get(key)) !== undefined) throw takenError(to);
      const result = await store.transact({
        compare: [
          ...stillThere(parent),
          expectRevision(row.key, row.modRevision),
          expectMissing(key),
        ],
        success: [remove(row.key), put(key, encodeEntry(record.entry))],
      });
      if (!result.succeeded) {
        directories.forgetAll();
        return "again";
      }
      const { entry } = record;
      if (entry.kind === "file") {
        usage.add(1, entry.sizeBytes, entry.owner);
        usage.addTrash(-1, -entry.sizeBytes, entry.owner);
      } else directories.wrote(key, entry.fileId, result.revision);
      return { done: entryOf(to.text, nameOf(to), entry) };
    });
  }

  /** False when it is no longer there. */
  #discard({ row, record }: Found): Promise<boolean> {
    const { store, gate, usage } = this.#context;
    const { entry } = record;
    return gate.shared(async () => {
      const { succeeded } = await store.transact({
        compare: [expectRevision(row.key, row.modRevision)],
        success: [remove(row.key), ...bury(this.#context, entry)],
      });
      if (succeeded && entry.kind === "file") usage.addTrash(-1, -entry.sizeBytes, entry.owner);
      return succeeded;
    });
  }

  async #find(id: string): Promise<Found> {
    const row = await this.#context.store.get(keyOfTrashId(id));
    if (row !== undefined) return { row, record: decodeTrash(row.value) };
    throw notThere();
  }

  async *#newestFirst(before: string | undefined): AsyncGenerator<Found, void, undefined> {
    let last = before;
    if (before !== undefined) keyOfTrashId(before);
    for (;;) {
      const range = last === undefined ? trashRows : trashBefore(last);
      const options = { limit: PAGE_ROWS, reverse: true };
      const page = await this.#context.store.range(range, options);
      for (const row of page.entries) yield { row, record: decodeTrash(row.value) };
      const end = page.entries.at(-1);
      if (!page.more || end === undefined) return;
      last = trashIdOf(end.key);
    }
  }

  #entry({ row, record }: Found): TrashEntry {
    const { path, deletedAtMs, deletedBy, entry } = record;
    const { kind, sizeBytes, owner, fileId, modifiedAtMs, name } = entryOf(
      path,
      nameOf(placeOf(record)),
      entry,
    );
    const { trashRetentionMs } = this.#context;
    const ends = trashRetentionMs > 0 ? { endsAtMs: deletedAtMs + trashRetentionMs } : {};
    const id = trashIdOf(row.key);
    return {
      ...{ id, path, name, kind, sizeBytes, owner, fileId, modifiedAtMs, deletedAtMs, deletedBy },
      ...ends,
    };
  }
}

function placeOf({ path }: TrashRecord): MeshPath {
  return parsePath(path);
}

/** Whoever has no right there at all does not make anybody read the whole trash. */
function mayHoldAny(access: Access, path: MeshPath): boolean {
  if (access.visible(path.text)) return true;
  try {
    access.require(path, "delete");
    return true;
  } catch {
    return false;
  }
}

function mayDelete(access: Access, record: TrashRecord): boolean {
  const path = placeOf(record);
  try {
    access.require(path, "delete");
    if (record.entry.kind === "directory") access.requireBelow(path, "delete");
    return true;
  } catch {
    return false;
  }
}

/** What cannot be seen is not there. */
function requireRestore(access: Access, record: TrashRecord, from: MeshPath, to: MeshPath): void {
  if (!mayDelete(access, record)) throw notThere();
  if (to.names.length === 0) {
    throw new MeshError("MESH_PATH_EXISTS", { message: "the root directory is always there" });
  }
  if (to.text === from.text) return;
  access.require(from, "read");
  access.require(to, "write");
  if (record.entry.kind !== "directory") return;
  access.requireBelow(from, "read");
  access.requireBelow(to, "write");
}

/** The same for an entry that is not there and for one that somebody may not see. */
function notThere(): MeshError {
  return new MeshError("MESH_NOT_FOUND", {
    message: "there is no such entry in the trash",
    hint: "It was restored or emptied; `mesh trash list` shows what is there.",
  });
}

function takenError(to: MeshPath): MeshError {
  return new MeshError("MESH_PATH_EXISTS", {
    message: `${to.text} is there already`,
    hint: "Restore to another place: `mesh trash restore <id> --to <path>`.",
    details: { path: to.text },
  });
}
