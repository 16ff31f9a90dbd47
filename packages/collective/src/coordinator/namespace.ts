/**
 * Directories and entries: looking, and making directories. Moving, removing and putting files in
 * place are beside it. Every change is one transaction whose compares hold what the decision was
 * made from, so a crash leaves the state before it or the state after it.
 */
import { type FileId, limits, newFileId } from "@hearthmesh/core";
import { expectMissing, type KeyValue, put } from "@hearthmesh/store";
import type { Entry } from "../types.js";
import type { Access } from "./access.js";
import { type Directory, isObstacle, notADirectory, notFound, stillThere } from "./directories.js";
import { keys, nameOfEntry, ROOT_ID } from "./keys.js";
import { existsError, loadEntry, type NamespaceContext } from "./namespace-context.js";
import { ancestorAt, childPath, type MeshPath, nameOf, parentOf } from "./paths.js";
import { type DirectoryRecord, decodeEntry, encodeEntry, entryOf } from "./records.js";
import { type Attempt, withRetries } from "./store-helpers.js";

export interface ListPage {
  readonly entries: readonly Entry[];
  readonly more: boolean;
}

/** `/` has no row; it was always there and belongs to nobody. */
const ROOT_RECORD: DirectoryRecord = {
  kind: "directory",
  fileId: ROOT_ID,
  createdAtMs: 0,
  modifiedAtMs: 0,
  owner: "",
};

export class Namespace {
  readonly #context: NamespaceContext;

  constructor(context: NamespaceContext) {
    this.#context = context;
  }

  async stat(access: Access, path: MeshPath): Promise<Entry> {
    const view = access.view(path);
    if (path.names.length === 0) return entryOf("/", "", ROOT_RECORD);
    const { store, directories } = this.#context;
    const parent = await directories.existing(parentOf(path), path);
    const found = await loadEntry(store, keys.entry(parent.id, nameOf(path)));
    // On the way to a grant only directories may be seen: this says what refusing a file would say.
    if (found?.record.kind !== "directory" && view === "way") access.require(path, "read");
    if (found === undefined) throw notFound(path);
    return entryOf(path.text, nameOf(path), found.record);
  }

  /**
   * Entries in the order of their names' bytes, those after the name `after`, and only those that
   * the caller may see. A page ends at `limit` entries or at a number of bytes.
   */
  async list(
    access: Access,
    path: MeshPath,
    after: string | undefined,
    limit: number,
  ): Promise<ListPage> {
    access.view(path);
    const directory = await this.#context.directories.existing(path);
    const page = new PageBuilder(access, path.text, limit);
    let from = after;
    // One more than is needed tells whether there is more; `from` itself may be among them.
    for (let wanted = limit + 2; ; wanted = limits.LIST_PAGE_ENTRIES_MAX) {
      const rows = await this.#children(directory.id, from, wanted);
      for (const row of rows.entries) {
        const name = nameOfEntry(row.key);
        if (name !== from && !page.add(name, row)) return { entries: page.entries, more: true };
      }
      const last = rows.entries.at(-1);
      if (!rows.more || last === undefined) return { entries: page.entries, more: false };
      from = nameOfEntry(last.key);
    }
  }

  #children(directoryId: FileId, from: string | undefined, limit: number) {
    const { store } = this.#context;
    if (from === undefined) return store.range(keys.children(directoryId), { limit });
    return store.range(keys.childrenFrom(directoryId, from), { limit });
  }

  /** With `parents`, missing parents are made and an existing directory is no error. */
  async makeDirectory(access: Access, path: MeshPath, parents: boolean): Promise<Entry> {
    access.require(path, "write");
    const { directories } = this.#context;
    const missingFrom = await this.#firstMissing(path);
    if (missingFrom === undefined) {
      if (!parents) throw existsError(path);
      return this.#entryOfDirectory(path);
    }
    if (!parents) {
      await directories.parent(parentOf(path));
      return this.#makeOne(access, path, false);
    }
    for (let depth = missingFrom; depth < path.names.length; depth++) {
      await this.#makeOne(access, ancestorAt(path, depth), true);
    }
    return this.#makeOne(access, path, true);
  }

  /** Depth of the first directory on the path that is missing; a file on it is an error. */
  async #firstMissing(path: MeshPath): Promise<number | undefined> {
    const found = await this.#context.directories.find(path);
    if (!isObstacle(found)) return undefined;
    const depth = found.path.names.length;
    if (found.why === "missing") return depth;
    throw depth === path.names.length ? existsError(path) : notADirectory(found.path);
  }

  #makeOne(access: Access, path: MeshPath, existingIsFine: boolean): Promise<Entry> {
    access.require(path, "write");
    const { gate, mutex, directories, quotas } = this.#context;
    quotas.require(access.principal, 0);
    return withRetries(() =>
      gate.shared(async () => {
        const parent = await directories.parent(parentOf(path));
        const key = keys.entry(parent.id, nameOf(path));
        return mutex.run([key], () => this.#tryMake(access, path, parent, key, existingIsFine));
      }),
    );
  }

  async #tryMake(
    access: Access,
    path: MeshPath,
    parent: Directory,
    key: string,
    existingIsFine: boolean,
  ): Promise<Attempt<Entry>> {
    const { store, directories, usage, clock, random } = this.#context;
    const nowMs = clock.nowMs();
    const record: DirectoryRecord = {
      kind: "directory",
      fileId: newFileId(nowMs, random),
      createdAtMs: nowMs,
      modifiedAtMs: nowMs,
      owner: access.principal.spiffeId,
    };
    const result = await store.transact({
      compare: [...stillThere(parent), expectMissing(key)],
      success: [put(key, encodeEntry(record))],
      failure: [{ type: "get", key }],
    });
    if (result.succeeded) {
      directories.wrote(key, record.fileId, result.revision);
      usage.madeDirectory(record.owner);
      return { done: entryOf(path.text, nameOf(path), record) };
    }
    const found = await loadEntry(store, key);
    if (found === undefined) {
      directories.forgetAll();
      return "again";
    }
    if (found.record.kind !== "directory" || !existingIsFine) throw existsError(path);
    return { done: entryOf(path.text, nameOf(path), found.record) };
  }

  async #entryOfDirectory(path: MeshPath): Promise<Entry> {
    if (path.names.length === 0) return entryOf("/", "", ROOT_RECORD);
    const { store, directories } = this.#context;
    const parent = await directories.existing(parentOf(path), path);
    const found = await loadEntry(store, keys.entry(parent.id, nameOf(path)));
    if (found === undefined) throw notFound(path);
    return entryOf(path.text, nameOf(path), found.record);
  }
}

/** Collects the entries of one page until it is full. */
class PageBuilder {
  readonly entries: Entry[] = [];
  readonly #access: Access;
  readonly #directory: string;
  readonly #limit: number;
  #bytes = 0;

  constructor(access: Access, directory: string, limit: number) {
    this.#access = access;
    this.#directory = directory;
    this.#limit = limit;
  }

  get room(): number {
    return this.#limit - this.entries.length;
  }

  /** False when the entry would be shown and no longer fits. */
  add(name: string, row: KeyValue): boolean {
    const path = childPath(this.#directory, name);
    if (!this.#access.visible(path)) return true;
    if (this.room === 0) return false;
    const entry = entryOf(path, name, decodeEntry(row.value));
    const bytes = Buffer.byteLength(JSON.stringify(entry)) + 1;
    if (this.#bytes + bytes > limits.LIST_PAGE_BYTES_MAX) return false;
    this.#bytes += bytes;
    this.entries.push(entry);
    return true;
  }
}
