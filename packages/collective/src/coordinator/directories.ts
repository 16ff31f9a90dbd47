/**
 * From a path to the row of its directory, with a cache. The coordinator is the only writer of the
 * namespace, and everything that changes the row of a directory tells the cache, so the cache
 * agrees with the store; should it ever not, the compare on the parent's revision fails and the
 * writer forgets what it knew and looks again.
 */
import { type FileId, limits, MeshError } from "@hearthmesh/core";
import { type Compare, expectRevision, type Store } from "@hearthmesh/store";
import { keys, ROOT_ID } from "./keys.js";
import { ancestorAt, type MeshPath } from "./paths.js";
import { decodeEntry } from "./records.js";

export interface Directory {
  readonly id: FileId;
  /** Its row; undefined for the root, which has none. */
  readonly row?: { readonly key: string; readonly modRevision: number };
}

const ROOT: Directory = { id: ROOT_ID };

/** What a walk down a path found when it could not end. */
export interface Obstacle {
  readonly why: "missing" | "file";
  readonly path: MeshPath;
}

export class Directories {
  readonly #store: Store;
  readonly #known = new Map<string, Directory>();
  readonly #entriesMax: number;
  /** Grows with every change: a read that began before one must not fill the cache after it. */
  #changes = 0;

  /** `entriesMax` 0: nothing is kept, for who is not the only writer. */
  constructor(store: Store, { entriesMax = limits.DIRECTORIES_CACHED_MAX } = {}) {
    this.#store = store;
    this.#entriesMax = entriesMax;
  }

  /** The directory at the path, or why there is none. */
  async find(path: MeshPath): Promise<Directory | Obstacle> {
    let directory = ROOT;
    for (const [index, name] of path.names.entries()) {
      const key = keys.entry(directory.id, name);
      const next = this.#known.get(key) ?? (await this.#load(key));
      if (next === "missing" || next === "file") {
        return { why: next, path: ancestorAt(path, index + 1) };
      }
      directory = next;
    }
    return directory;
  }

  /**
   * The directory at the path, for looking: `MESH_PATH_NOT_FOUND`, or `MESH_NOT_A_DIRECTORY` when a
   * part of the path is a file. Errors name `asked`.
   */
  async existing(path: MeshPath, asked: MeshPath = path): Promise<Directory> {
    const found = await this.find(path);
    if (!isObstacle(found)) return found;
    if (found.why === "file") throw notADirectory(found.path);
    throw notFound(asked);
  }

  /** The directory at the path, for making something in it: `MESH_PARENT_MISSING`. */
  async parent(path: MeshPath): Promise<Directory> {
    const found = await this.find(path);
    if (!isObstacle(found)) return found;
    if (found.why === "file") throw notADirectory(found.path);
    throw new MeshError("MESH_PARENT_MISSING", {
      message: `Parent directory does not exist: ${found.path.text}`,
      details: { path: found.path.text },
    });
  }

  /** The row of a directory was written. */
  wrote(key: string, id: FileId, modRevision: number): void {
    this.#changes++;
    this.#remember(key, { id, row: { key, modRevision } });
  }

  /** The row at the key is gone, or may be another one. */
  forget(key: string): void {
    this.#changes++;
    this.#known.delete(key);
  }

  /** For a writer whose compare failed. */
  forgetAll(): void {
    this.#changes++;
    this.#known.clear();
  }

  async #load(key: string): Promise<Directory | Obstacle["why"]> {
    const changes = this.#changes;
    const row = await this.#store.get(key);
    if (row === undefined) return "missing";
    const record = decodeEntry(row.value);
    if (record.kind === "file") return "file";
    const directory = { id: record.fileId, row: { key, modRevision: row.modRevision } };
    if (changes === this.#changes) this.#remember(key, directory);
    return directory;
  }

  #remember(key: string, directory: Directory): void {
    this.#known.delete(key);
    this.#known.set(key, directory);
    if (this.#known.size <= this.#entriesMax) return;
    const oldest = this.#known.keys().next();
    if (!oldest.done) this.#known.delete(oldest.value);
  }
}

/** Holds while the directory is where it was. */
export function stillThere(directory: Directory): Compare[] {
  if (directory.row === undefined) return [];
  return [expectRevision(directory.row.key, directory.row.modRevision)];
}

export function isObstacle(found: Directory | Obstacle): found is Obstacle {
  return "why" in found;
}

export function notFound(path: MeshPath): MeshError {
  return new MeshError("MESH_PATH_NOT_FOUND", {
    message: `there is no such file or directory: ${path.text}`,
    details: { path: path.text },
  });
}

export function notADirectory(path: MeshPath): MeshError {
  return new MeshError("MESH_NOT_A_DIRECTORY", {
    message: `${path.text} is a file, not a directory`,
    details: { path: path.text },
  });
}
