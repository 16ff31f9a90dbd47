/**
 * The files of one peer, over whichever way leads to it. Paths are the peer's own here.
 *
 * - Looking goes on with the next way when one fails; so does a read in the middle, at the byte
 *   where it stopped, when the file is still the same (else `MESH_PATH_CHANGED`).
 * - A change is made once. Another way is tried only when the first one surely did nothing (see
 *   `asUnsent` of core); otherwise the error says that nobody knows, or that nothing is there.
 *
 * Errors are the peer's own with its name before them; `MESH_QUOTA` comes through as it is. When no
 * way leads there: `MESH_UNREACHABLE`, or what one of them said that tells more, with every way.
 */

import {
  type Clock,
  errorFields,
  isUnsent,
  type Logger,
  limits,
  MeshError,
  sleep,
} from "@hearthmesh/core";
import type { RemoveOptions } from "../client/file-client.js";
import type {
  FileClient,
  OpenFile,
  PageOptions,
  ReadOptions,
  WriteOptions,
} from "../client/index.js";
import type { FileListResponse } from "../protocol.js";
import type { Entry } from "../types.js";
import { checkEntry, checkPage, exactly } from "./peer-answers.js";
import {
  allFailed,
  brokeOff,
  errorOf,
  isAway,
  isWayFailure,
  named,
  type WayFailure,
} from "./peer-errors.js";
import { ReplaySource } from "./replay-source.js";
import type { WayMemory, WayUse } from "./way-memory.js";

/** What can be done with files, wherever they are. */
export type FileOperations = Pick<
  FileClient,
  "write" | "read" | "stat" | "list" | "makeDirectory" | "move" | "remove"
>;

/** The same, and listings page by page. */
export type PagedFiles = FileOperations & Pick<FileClient, "listPage">;

/** The same on one way; pages make up the listing. */
export type WayFiles = Omit<PagedFiles, "list">;

/** A way to a peer. */
export interface PeerWay {
  /** For people: `straight`. */
  readonly name: string;
  /** Resolves when the peer answers on this way; rejects soon with why it does not. */
  open(signal?: AbortSignal): Promise<WayFiles>;
}

export interface PeerFilesOptions {
  /** What the peer is called here. */
  readonly peer: string;
  readonly trustDomain: string;
  /** Shortest first. */
  readonly ways: readonly PeerWay[];
  readonly memory: WayMemory;
  readonly clock: Clock;
  readonly log: Logger;
  /** Waits. A program that would end meanwhile has one of its own. */
  readonly pause?: (clock: Clock, delayMs: number, signal?: AbortSignal) => Promise<void>;
}

interface Opened extends OpenFile {
  readonly way: PeerWay;
}

/** How often one read goes on after it broke. */
const READ_BREAKS_MAX = 64;
/** A read that no way can go on with waits so long for the peer, which may be starting anew. */
const READ_PATIENCE_MS = 10_000;
const READ_PAUSE_MS = 500;

export class PeerFiles implements PagedFiles {
  readonly #options: PeerFilesOptions;

  constructor(options: PeerFilesOptions) {
    this.#options = options;
  }

  stat(path: string, signal?: AbortSignal): Promise<Entry> {
    return this.#look(signal, async (files) => checkEntry(await files.stat(path, signal), path));
  }

  listPage(path: string, options: PageOptions = {}): Promise<FileListResponse> {
    const { after, limit = limits.LIST_PAGE_ENTRIES_MAX, signal } = options;
    const asked = { path, after, limit };
    return this.#look(signal, async (files) =>
      checkPage(await files.listPage(path, options), asked),
    );
  }

  /** Each page by the way that is best then. */
  async *list(path: string, signal?: AbortSignal): AsyncGenerator<Entry, void, undefined> {
    let from: PageOptions = signal === undefined ? {} : { signal };
    for (;;) {
      const { entries, more } = await this.listPage(path, from);
      yield* entries;
      const last = entries.at(-1);
      if (!more || last === undefined) return;
      from = { ...from, after: last.name };
    }
  }

  async read(path: string, options: ReadOptions = {}): Promise<OpenFile> {
    const failures: WayFailure[] = [];
    const opened = await this.#open(path, options, failures);
    const { entry } = opened;
    return { entry, stream: this.#stream(path, options, opened) };
  }

  async write(
    path: string,
    source: AsyncIterable<Uint8Array>,
    options: WriteOptions = {},
  ): Promise<Entry> {
    const replay = new ReplaySource(source, limits.WAY_REPLAY_BYTES_MAX);
    const onProgress: WriteOptions["onProgress"] = (progress) => {
      if (progress.bytesSafe > 0) replay.release();
      options.onProgress?.(progress);
    };
    try {
      return await this.#change(
        "bytes",
        "the write",
        options.signal,
        async (files) => {
          if (!replay.isWhole) throw new MeshError("MESH_UNREACHABLE", { message: "it broke off" });
          return checkEntry(
            await files.write(path, replay.stream(), { ...options, onProgress }),
            path,
          );
        },
        () => replay.isWhole,
      );
    } catch (error) {
      throw replay.failure === undefined ? error : replay.failure.error;
    } finally {
      replay.close();
    }
  }

  makeDirectory(
    path: string,
    options: { parents?: boolean; signal?: AbortSignal } = {},
  ): Promise<void> {
    return this.#change("names", "mkdir", options.signal, (files) =>
      files.makeDirectory(path, options),
    );
  }

  move(
    from: string,
    to: string,
    options: { overwrite?: boolean; signal?: AbortSignal } = {},
  ): Promise<void> {
    return this.#change("names", "the move", options.signal, (files) =>
      files.move(from, to, options),
    );
  }

  remove(path: string, options: RemoveOptions = {}): Promise<number> {
    return this.#change("names", "the removal", options.signal, async (files) => {
      const removed = await files.remove(path, options);
      if (Number.isSafeInteger(removed) && removed >= 0) return removed;
      throw new MeshError("MESH_PROTOCOL", { message: "it answered with no number of entries" });
    });
  }

  async *#stream(
    path: string,
    options: ReadOptions,
    first: Opened,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { peer, trustDomain, memory, clock } = this.#options;
    const { entry } = first;
    const { endInclusive = Number.POSITIVE_INFINITY, signal } = options;
    const end = Math.min(entry.sizeBytes, endInclusive + 1);
    let position = options.start ?? 0;
    let opened = first;
    let failures: WayFailure[] = [];
    let patienceEndMs: number | undefined;
    for (let breaks = 0; ; breaks++) {
      const from = position;
      try {
        for await (const piece of exactly(opened.stream, end - position)) {
          position += piece.length;
          yield piece;
        }
        memory.worked(trustDomain, opened.way.name, "bytes");
        return;
      } catch (thrown) {
        signal?.throwIfAborted();
        const error = errorOf(thrown);
        if (!isWayFailure(error) || breaks >= READ_BREAKS_MAX) throw named(peer, error);
        // A way that gave something may be tried again later.
        if (position > from) failures = [];
        if (position > from) patienceEndMs = undefined;
        this.#failed(opened.way, "bytes", error, failures);
      }
      if (position >= end) return;
      patienceEndMs ??= clock.monotonicMs() + READ_PATIENCE_MS;
      const rest = { ...options, start: position };
      opened = await this.#openAgain(path, rest, failures, patienceEndMs);
      if (opened.entry.etag !== entry.etag) {
        throw named(peer, new MeshError("MESH_PATH_CHANGED", { message: `${path} was replaced` }));
      }
    }
  }

  /** Every way, and all of them again for a while: the peer may be starting anew. */
  async #openAgain(
    path: string,
    options: ReadOptions,
    failures: WayFailure[],
    patienceEndMs: number,
  ): Promise<Opened> {
    const { clock, pause = sleep } = this.#options;
    for (;;) {
      try {
        return await this.#open(path, options, failures);
      } catch (error) {
        const isOver = clock.monotonicMs() + READ_PAUSE_MS > patienceEndMs;
        if (isOver || !isAway(error)) throw error;
        failures.length = 0;
        await pause(clock, READ_PAUSE_MS, options.signal);
      }
    }
  }

  /** By the first way that opens it and is not among `failures`, to which it adds. */
  async #open(path: string, options: ReadOptions, failures: WayFailure[]): Promise<Opened> {
    const skipped = new Set(failures.map(({ way }) => way));
    const ways = this.#ways("bytes").filter(({ name }) => !skipped.has(name));
    const { signal } = options;
    return this.#tryWays(ways, { use: "names", signal }, failures, async (files, way) => {
      const { entry, stream } = await files.read(path, options);
      const checked = checkEntry(entry, path);
      if (checked.kind !== "file") throw new MeshError("MESH_IS_A_DIRECTORY");
      return { entry: checked, stream, way };
    });
  }

  #look<Answer>(
    signal: AbortSignal | undefined,
    work: (files: WayFiles) => Promise<Answer>,
  ): Promise<Answer> {
    return this.#tryWays(this.#ways("names"), { use: "names", signal }, [], work);
  }

  async #tryWays<Answer>(
    ways: readonly PeerWay[],
    { use, signal }: { readonly use: WayUse; readonly signal: AbortSignal | undefined },
    failures: WayFailure[],
    work: (files: WayFiles, way: PeerWay) => Promise<Answer>,
    /** Throws unless the next way may be tried. */
    judge: (error: MeshError) => void = () => undefined,
  ): Promise<Answer> {
    const { peer } = this.#options;
    for (const way of ways) {
      const files = await this.#openWay(way, signal, failures);
      if (files === undefined) continue;
      try {
        const answer = await work(files, way);
        this.#worked(way, use);
        return answer;
      } catch (thrown) {
        signal?.throwIfAborted();
        const error = errorOf(thrown);
        if (!isWayFailure(error)) throw named(peer, error);
        this.#failed(way, use, error, failures);
        judge(error);
      }
    }
    throw allFailed(peer, failures);
  }

  /** Once, unless it surely was not done and `mayRepeat`. */
  async #change<Answer>(
    use: WayUse,
    what: string,
    signal: AbortSignal | undefined,
    work: (files: WayFiles) => Promise<Answer>,
    mayRepeat: () => boolean = () => true,
  ): Promise<Answer> {
    const { peer } = this.#options;
    return this.#tryWays(this.#ways(use), { use, signal }, [], work, (error) => {
      if (!isUnsent(error) || !mayRepeat()) throw brokeOff(peer, what, error);
    });
  }

  async #openWay(
    way: PeerWay,
    signal: AbortSignal | undefined,
    failures: WayFailure[],
  ): Promise<WayFiles | undefined> {
    try {
      return await way.open(signal);
    } catch (thrown) {
      signal?.throwIfAborted();
      this.#failed(way, "names", errorOf(thrown), failures);
      return undefined;
    }
  }

  #ways(use: WayUse): PeerWay[] {
    const { trustDomain, ways, memory, clock } = this.#options;
    return memory.order(trustDomain, ways, use, clock.monotonicMs());
  }

  #worked(way: PeerWay, use: WayUse): void {
    this.#options.memory.worked(this.#options.trustDomain, way.name, use);
  }

  #failed(way: PeerWay, use: WayUse, error: MeshError, failures: WayFailure[]): void {
    const { trustDomain, memory, clock, log } = this.#options;
    memory.failed(trustDomain, way.name, use, clock.monotonicMs());
    failures.push({ way: way.name, error });
    log.debug("a way to a peer failed", { trustDomain, route: way.name, ...errorFields(error) });
  }
}
