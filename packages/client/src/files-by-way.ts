/**
 * Files by the shortest way that there is: over links straight to the storage nodes, or through the
 * API of the coordinator where links do not reach, as from outside of a container network of which
 * only the API is published. The first call that finds no link to any coordinator decides for this
 * connection; a call that may have been carried out is never repeated.
 */
import { isMeshError, isUnsent } from "@hearthmesh/core";
import type { FileAccess } from "./http-files.js";

type Entry = Awaited<ReturnType<FileAccess["stat"]>>;

export class FilesByWay implements FileAccess {
  readonly #viaApi: FileAccess;
  #now: FileAccess;
  #isFound = false;

  constructor(overLinks: FileAccess, viaApi: FileAccess) {
    this.#now = overLinks;
    this.#viaApi = viaApi;
  }

  async write(...call: Parameters<FileAccess["write"]>): ReturnType<FileAccess["write"]> {
    // Bytes of a stream can be given away only once, so the way is found before.
    if (!this.#isFound) {
      await this.stat("/", call[2]?.signal).catch((error: unknown) => {
        if (!isMeshError(error)) throw error;
      });
    }
    return this.#now.write(...call);
  }

  read(...call: Parameters<FileAccess["read"]>): ReturnType<FileAccess["read"]> {
    return this.#try((files) => files.read(...call));
  }

  stat(...call: Parameters<FileAccess["stat"]>): ReturnType<FileAccess["stat"]> {
    return this.#try((files) => files.stat(...call));
  }

  async *list(...call: Parameters<FileAccess["list"]>): AsyncGenerator<Entry, void, undefined> {
    const [entries, first] = await this.#try(async (files) => {
      const begun = files.list(...call);
      return [begun, await begun.next()] as const;
    });
    if (first.done === true) return;
    yield first.value;
    yield* entries;
  }

  makeDirectory(
    ...call: Parameters<FileAccess["makeDirectory"]>
  ): ReturnType<FileAccess["makeDirectory"]> {
    return this.#try((files) => files.makeDirectory(...call));
  }

  move(...call: Parameters<FileAccess["move"]>): ReturnType<FileAccess["move"]> {
    return this.#try((files) => files.move(...call));
  }

  remove(...call: Parameters<FileAccess["remove"]>): ReturnType<FileAccess["remove"]> {
    return this.#try((files) => files.remove(...call));
  }

  async #try<Result>(work: (files: FileAccess) => Promise<Result>): Promise<Result> {
    const files = this.#now;
    try {
      const result = await work(files);
      this.#isFound = true;
      return result;
    } catch (error) {
      this.#isFound = true;
      if (files === this.#viaApi || !isMeshError(error) || !isUnsent(error)) throw error;
      this.#now = this.#viaApi;
      return work(this.#viaApi);
    }
  }
}
