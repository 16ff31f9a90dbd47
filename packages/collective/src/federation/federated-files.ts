/**
 * One tree over all members: what is at home as it is, and under `/@bob` what is at the peer Bob.
 */
import type { RemoveOptions } from "../client/file-client.js";
import type { OpenFile, ReadOptions, WriteOptions } from "../client/index.js";
import type { Entry } from "../types.js";
import { leadsAway } from "./across-path.js";
import { acrossMembers } from "./away-files.js";
import type { FileOperations } from "./peer-files.js";

export class FederatedFiles implements FileOperations {
  readonly #home: FileOperations;
  readonly #away: FileOperations;

  constructor(home: FileOperations, away: FileOperations) {
    this.#home = home;
    this.#away = away;
  }

  write(
    path: string,
    source: AsyncIterable<Uint8Array>,
    options: WriteOptions = {},
  ): Promise<Entry> {
    return this.#of(path).write(path, source, options);
  }

  read(path: string, options: ReadOptions = {}): Promise<OpenFile> {
    return this.#of(path).read(path, options);
  }

  stat(path: string, signal?: AbortSignal): Promise<Entry> {
    return this.#of(path).stat(path, signal);
  }

  list(path: string, signal?: AbortSignal): AsyncGenerator<Entry, void, undefined> {
    return this.#of(path).list(path, signal);
  }

  makeDirectory(
    path: string,
    options: { parents?: boolean; signal?: AbortSignal } = {},
  ): Promise<void> {
    return this.#of(path).makeDirectory(path, options);
  }

  /** `MESH_ACROSS_MEMBERS` between home and a peer, and between two peers. */
  async move(
    from: string,
    to: string,
    options: { overwrite?: boolean; signal?: AbortSignal } = {},
  ): Promise<void> {
    if (leadsAway(from) !== leadsAway(to)) throw acrossMembers(from, to);
    await this.#of(from).move(from, to, options);
  }

  remove(path: string, options: RemoveOptions = {}): Promise<number> {
    return this.#of(path).remove(path, options);
  }

  #of(path: string): FileOperations {
    return leadsAway(path) ? this.#away : this.#home;
  }
}
