/**
 * What lies under `/@`: a directory for every peer, and the files of each. Entries carry the path
 * by which they were asked for, so that a program can go on with it. A name that is no peer's is
 * `MESH_PEER_UNKNOWN`. Nothing moves from one member to another: `MESH_ACROSS_MEMBERS`.
 */

import { MeshError } from "@hearthmesh/core";
import type { RemoveOptions } from "../client/file-client.js";
import type { OpenFile, PageOptions, ReadOptions, WriteOptions } from "../client/index.js";
import { ROOT_ID } from "../coordinator/keys.js";
import { childPath } from "../coordinator/paths.js";
import type { FileListResponse } from "../protocol.js";
import type { Entry } from "../types.js";
import { PEERS_PATH, pathAt, splitPath } from "./across-path.js";
import { isAfter } from "./peer-answers.js";
import type { PagedFiles } from "./peer-files.js";

/** A peer and its files, in its own paths. */
export interface FilesAtPeer {
  readonly trustDomain: string;
  readonly files: PagedFiles;
}

/** Which peers there are, and the files of each. */
export interface PeerDirectory {
  /** What the peers are called here, in any order. */
  names(signal?: AbortSignal): Promise<readonly string[]>;
  /** By alias, trust domain or member id. `MESH_PEER_UNKNOWN`. */
  open(name: string, signal?: AbortSignal): Promise<FilesAtPeer>;
}

/** A place at a peer: the path as the peer calls it, and what the peer was called. */
interface Place extends FilesAtPeer {
  readonly path: string;
  readonly peer: string;
}

/** Every path must lead away: see `leadsAway`. */
export class AwayFiles implements PagedFiles {
  readonly #peers: PeerDirectory;

  constructor(peers: PeerDirectory) {
    this.#peers = peers;
  }

  async write(
    path: string,
    source: AsyncIterable<Uint8Array>,
    options: WriteOptions = {},
  ): Promise<Entry> {
    const place = await this.#place(path, options.signal);
    return toHere(place, await place.files.write(place.path, source, options));
  }

  async read(path: string, options: ReadOptions = {}): Promise<OpenFile> {
    const place = await this.#place(path, options.signal);
    const { entry, stream } = await place.files.read(place.path, options);
    return { entry: toHere(place, entry), stream };
  }

  async stat(path: string, signal?: AbortSignal): Promise<Entry> {
    if (splitPath(path).at === "peers") return directoryEntry("/", PEERS_PATH.slice(1));
    const place = await this.#place(path, signal);
    return toHere(place, await place.files.stat(place.path, signal));
  }

  async *list(path: string, signal?: AbortSignal): AsyncGenerator<Entry, void, undefined> {
    if (splitPath(path).at === "peers") return yield* await this.#peerEntries(signal);
    const place = await this.#place(path, signal);
    for await (const entry of place.files.list(place.path, signal)) yield toHere(place, entry);
  }

  async listPage(path: string, options: PageOptions = {}): Promise<FileListResponse> {
    const { after, limit = Number.POSITIVE_INFINITY, signal } = options;
    if (splitPath(path).at === "peers") {
      const all = await this.#peerEntries(signal);
      const left = all.filter(({ name }) => after === undefined || isAfter(name, after));
      return { entries: left.slice(0, limit), more: left.length > limit };
    }
    const place = await this.#place(path, signal);
    const { entries, more } = await place.files.listPage(place.path, options);
    return { entries: entries.map((entry) => toHere(place, entry)), more };
  }

  async makeDirectory(
    path: string,
    options: { parents?: boolean; signal?: AbortSignal } = {},
  ): Promise<void> {
    const place = await this.#place(path, options.signal);
    await place.files.makeDirectory(place.path, options);
  }

  async move(
    from: string,
    to: string,
    options: { overwrite?: boolean; signal?: AbortSignal } = {},
  ): Promise<void> {
    const source = await this.#place(from, options.signal);
    const target = await this.#place(to, options.signal);
    if (source.trustDomain !== target.trustDomain) throw acrossMembers(from, to);
    await source.files.move(source.path, target.path, options);
  }

  async remove(path: string, options: RemoveOptions = {}): Promise<number> {
    const place = await this.#place(path, options.signal);
    return place.files.remove(place.path, options);
  }

  async #place(path: string, signal: AbortSignal | undefined): Promise<Place> {
    const split = splitPath(path);
    if (split.at !== "peer") throw listOnly();
    return { ...(await this.#peers.open(split.peer, signal)), ...split };
  }

  async #peerEntries(signal: AbortSignal | undefined): Promise<Entry[]> {
    const names = await this.#peers.names(signal);
    const entries = names.map((name) => directoryEntry("/", `@${name}`));
    return entries.sort((a, b) => (isAfter(a.name, b.name) ? 1 : -1));
  }
}

function toHere({ peer }: Place, entry: Entry): Entry {
  const name = entry.path === "/" ? `@${peer}` : entry.name;
  return { ...entry, path: pathAt(peer, entry.path), name };
}

/** A directory that is in no namespace. */
function directoryEntry(parent: string, name: string): Entry {
  return {
    path: childPath(parent, name),
    name,
    kind: "directory",
    fileId: ROOT_ID,
    sizeBytes: 0,
    createdAtMs: 0,
    modifiedAtMs: 0,
    owner: "",
    etag: ROOT_ID,
  };
}

function listOnly(): MeshError {
  return new MeshError("MESH_PATH_INVALID", {
    message: `${PEERS_PATH} is the list of the peers, and nothing else`,
    hint: "Peers are added and removed with `mesh peer`; write /@ and the name of one.",
  });
}

export function acrossMembers(from: string, to: string): MeshError {
  return new MeshError("MESH_ACROSS_MEMBERS", {
    message: `${from} and ${to} are of two members, and no file moves between them by itself`,
  });
}
