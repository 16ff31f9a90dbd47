/** Files in memory behind the interfaces that the doors use, for tests of the HTTP side alone. */
import { createHash } from "node:crypto";
import type { Entry, OpenFile, ReadOptions, WriteOptions } from "@hearthmesh/collective";
import { type FileId, MeshError } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import type { FileService } from "../services.js";

interface Stored {
  readonly entry: Entry;
  readonly bytes: Buffer;
}

/** Like a file client's pieces, but small, so that tests see several. */
const PIECE_BYTES = 64 * 1024;

export class MemoryFiles {
  readonly #stored = new Map<string, Stored>();
  /** Bytes that a write took; a read or a write that failed or was cancelled leaves its error. */
  readonly failures: unknown[] = [];
  bytesTaken = 0;
  /** A write below `/slow` takes its next piece when this resolves. */
  hold: Promise<void> = Promise.resolve();
  #version = 0;

  forPrincipal(principal: Principal): FileService {
    return {
      read: (path, options) => this.#read(path, options),
      write: (path, source, options) => this.#write(principal, path, source, options),
      stat: async (path) => this.#find(path).entry,
      makeDirectory: async (path) => {
        if (this.#stored.has(path)) throw new MeshError("MESH_PATH_EXISTS");
        this.#put(principal, path, Buffer.alloc(0), "directory");
      },
      move: async (from, to) => {
        const { bytes, entry } = this.#find(from);
        this.#put(principal, to, bytes, entry.kind);
        this.#stored.delete(from);
      },
      remove: async (path, { recursive = false, ifMatch } = {}) =>
        this.#remove(path, recursive, ifMatch),
    };
  }

  list(path: string, after = "", limit = 1000): { entries: Entry[]; more: boolean } {
    const prefix = path === "/" ? "/" : `${path}/`;
    const entries = [...this.#stored.values()]
      .map((stored) => stored.entry)
      .filter((entry) => entry.path === prefix + entry.name && entry.name > after)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    return { entries: entries.slice(0, limit), more: entries.length > limit };
  }

  async #read(path: string, options: ReadOptions = {}): Promise<OpenFile> {
    const { entry, bytes } = this.#find(path);
    if (entry.kind === "directory") throw new MeshError("MESH_IS_A_DIRECTORY");
    const { start = 0, endInclusive = bytes.length - 1 } = options;
    return { entry, stream: this.#pieces(bytes.subarray(start, endInclusive + 1), options.signal) };
  }

  async *#pieces(bytes: Buffer, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    try {
      for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
        signal?.throwIfAborted();
        yield bytes.subarray(at, at + PIECE_BYTES);
      }
    } finally {
      if (signal?.aborted === true) this.failures.push(signal.reason);
    }
  }

  async #write(
    principal: Principal,
    path: string,
    source: AsyncIterable<Uint8Array>,
    { ifMatch, signal }: WriteOptions = {},
  ): Promise<Entry> {
    if (path.startsWith("/forbidden")) throw new MeshError("MESH_FORBIDDEN");
    this.#checkCondition(path, ifMatch);
    const pieces: Uint8Array[] = [];
    try {
      for await (const piece of source) {
        this.bytesTaken += piece.length;
        pieces.push(piece);
        if (path.startsWith("/slow")) await this.hold;
        signal?.throwIfAborted();
        if (path.startsWith("/full")) throw new MeshError("MESH_DISK_FULL");
      }
    } catch (error) {
      this.failures.push(error);
      throw error;
    }
    return this.#put(principal, path, Buffer.concat(pieces), "file");
  }

  #put(principal: Principal, path: string, bytes: Buffer, kind: Entry["kind"]): Entry {
    const fileId = createHash("md5").update(path).digest("hex") as FileId;
    const entry: Entry = {
      path,
      name: path.slice(path.lastIndexOf("/") + 1),
      kind,
      fileId,
      sizeBytes: bytes.length,
      createdAtMs: 0,
      modifiedAtMs: 0,
      owner: principal.spiffeId,
      etag: `v${++this.#version}`,
    };
    this.#stored.set(path, { entry, bytes });
    return entry;
  }

  #remove(path: string, recursive: boolean, ifMatch?: string): number {
    this.#find(path);
    this.#checkCondition(path, ifMatch);
    const below = [...this.#stored.keys()].filter((key) => key.startsWith(`${path}/`));
    if (below.length > 0 && !recursive) throw new MeshError("MESH_DIRECTORY_NOT_EMPTY");
    for (const key of [path, ...below]) this.#stored.delete(key);
    return below.length + 1;
  }

  #checkCondition(path: string, ifMatch: string | undefined): void {
    if (ifMatch === undefined) return;
    const etag = this.#stored.get(path)?.entry.etag;
    const holds = ifMatch === "" ? etag === undefined : ifMatch === "*" || ifMatch === etag;
    if (!holds) throw new MeshError("MESH_PATH_CHANGED");
  }

  #find(path: string): Stored {
    const stored = this.#stored.get(path);
    if (stored === undefined) throw new MeshError("MESH_PATH_NOT_FOUND");
    return stored;
  }
}
