/**
 * Works off the files that wait for copies at friends: `c/<file id>` rows.
 *
 * States of a row: waiting -> satisfied (as many copies as the policy needs are made and noted; the
 * row goes) | gone (the path has another file or none; the row goes, and the walk over all files
 * notes a file that was moved) | still waiting (no friend can take it now; the reason is counted).
 * A copy is noted after it was written and its ends were read back, so a crash in between makes it
 * once more, over the first. Each run begins at the first row: rows in front whose friends are away
 * cost a look and no transfer.
 */
import {
  errorFields,
  type FileId,
  isMeshError,
  type Logger,
  limits,
  MeshError,
} from "@hearthmesh/core";
import type { KeyValue, Store } from "@hearthmesh/store";
import type { Directories } from "../coordinator/directories.js";
import { isObstacle } from "../coordinator/directories.js";
import { Slots } from "../coordinator/gates.js";
import { fileOfKey, keys } from "../coordinator/keys.js";
import { nameOf, parentOf, parsePath } from "../coordinator/paths.js";
import { decodeEntry, decodeJson } from "../coordinator/records.js";
import { pagesOf } from "../coordinator/store-helpers.js";
import type { Progress } from "../coordinator/workers/worker-definition.js";
import { chooseFriends } from "./choose-friends.js";
import type { CopyMaker, CopySource } from "./copy-maker.js";
import type { CopyNotes, FoundFile } from "./copy-notes.js";
import type { KeptCopy, WantedRecord } from "./copy-records.js";
import type { Friend, OfferBook } from "./offer-book.js";
import { friendTarget } from "./policy.js";
import type { PolicyBook } from "./policy-book.js";

const PAGE_ROWS = 64;
const REASONS_MAX = 32;

export interface CopyQueueOptions {
  readonly store: Store;
  readonly directories: Directories;
  readonly policies: PolicyBook;
  readonly offers: OfferBook;
  readonly maker: CopyMaker;
  readonly notes: CopyNotes;
  readonly log: Logger;
  onMade(): void;
}

/** How many files wait, and for what. */
export interface WaitingCopies {
  /** Undefined until the queue has been read once. */
  readonly files: number | undefined;
  readonly reasons: readonly { readonly reason: string; readonly files: number }[];
}

interface Run {
  readonly signal: AbortSignal;
  readonly progress: Progress;
  readonly reasons: Map<string, number>;
  left: number;
}

export class CopyQueue {
  readonly #options: CopyQueueOptions;
  readonly #slots = new Slots(limits.COPIES_AT_A_TIME_MAX);
  #waiting: number | undefined;
  #reasons: ReadonlyMap<string, number> = new Map();

  constructor(options: CopyQueueOptions) {
    this.#options = options;
  }

  get waiting(): WaitingCopies {
    const reasons = [...this.#reasons].map(([reason, files]) => ({ reason, files }));
    return { files: this.#waiting, reasons: reasons.sort((a, b) => b.files - a.files) };
  }

  /** So many files more wait since the last run. */
  grew(files: number): void {
    if (this.#waiting !== undefined) this.#waiting += files;
  }

  async run(signal: AbortSignal, progress: Progress): Promise<void> {
    const run: Run = { signal, progress, reasons: new Map(), left: 0 };
    for await (const page of pagesOf(this.#options.store, "c", { limit: PAGE_ROWS, signal })) {
      await Promise.all(page.map((row) => this.#slots.run(() => this.#settle(row, run))));
      await progress.pace(0);
    }
    this.#waiting = run.left;
    this.#reasons = run.reasons;
  }

  async #settle(row: KeyValue, run: Run): Promise<void> {
    run.signal.throwIfAborted();
    const fileId = fileOfKey(row.key);
    try {
      const reason = await this.#work(fileId, decodeJson<WantedRecord>(row.value).path, run);
      if (reason === undefined) return await this.#options.notes.satisfied(row);
      count(run, reason);
    } catch (error) {
      run.signal.throwIfAborted();
      run.progress.error(1);
      count(run, error instanceof MeshError ? error.message : "it failed, see the log");
      this.#options.log.warn("a copy at a friend could not be made", {
        fileId,
        ...errorFields(error),
      });
    }
  }

  /** Undefined when the file needs nothing more, else what it waits for. */
  async #work(fileId: FileId, path: string, run: Run): Promise<string | undefined> {
    const { policies, offers, notes, maker } = this.#options;
    const file = await this.#find(fileId, path);
    const target = friendTarget(policies.nearest(path));
    if (file === undefined || target.wanted === 0) return undefined;
    run.progress.at(path);
    const sealedBytes = maker.sizeOf(path, file.record);
    let copies: readonly KeptCopy[] = (await notes.kept(fileId))?.record.copies ?? [];
    const choose = () =>
      chooseFriends({ fileId, target, friends: offers.friends(), kept: copies, sealedBytes });
    let choice = choose();
    // The manifest of a long file is read only when somebody takes it.
    const source = choice.make.length === 0 ? undefined : await sourceOf(maker, file);
    for (let [next] = choice.make; next !== undefined; [next] = choice.make) {
      if (source === undefined) return undefined;
      const made = await this.#make(source, next, run);
      if (made !== undefined) copies = await this.#note(file, copies, made);
      choice = choose();
    }
    return choice.missing === 0 ? undefined : choice.reason;
  }

  async #note(
    file: FoundFile,
    copies: readonly KeptCopy[],
    made: KeptCopy,
  ): Promise<readonly KeptCopy[]> {
    const { notes, onMade } = this.#options;
    const after = [...copies.filter(({ member }) => member !== made.member), made];
    const present = await notes.kept(file.record.fileId);
    if (!(await notes.keep(file, after, present))) throw new MeshError("MESH_STORE_BUSY");
    onMade();
    return after;
  }

  /** Undefined when this friend cannot take it now; then nobody asks it again in this run. */
  async #make(source: CopySource, friend: Friend, run: Run): Promise<KeptCopy | undefined> {
    const { maker, offers, log } = this.#options;
    const { signal, progress } = run;
    const { trustDomain } = friend;
    try {
      offers.wrote(trustDomain, source.sealedBytes);
      const pace = async (bytes: number) => {
        progress.bytes(bytes);
        await progress.pace(bytes);
      };
      const made = await maker.make(source, trustDomain, pace, signal);
      progress.done(1);
      return made;
    } catch (error) {
      signal.throwIfAborted();
      offers.wrote(trustDomain, -source.sealedBytes);
      if (!isMeshError(error) || isOwnFault(error)) throw error;
      offers.failed(trustDomain, error.message);
      log.info("a friend did not take a copy", { trustDomain, ...errorFields(error) });
      return undefined;
    }
  }

  /** The file at the path when it is this content. */
  async #find(fileId: FileId, text: string): Promise<FoundFile | undefined> {
    const { store, directories } = this.#options;
    const path = parsePath(text);
    const parent = await directories.find(parentOf(path));
    if (isObstacle(parent)) return undefined;
    const key = keys.entry(parent.id, nameOf(path));
    const row = await store.get(key);
    if (row === undefined) return undefined;
    const record = decodeEntry(row.value);
    if (record.kind !== "file" || record.fileId !== fileId) return undefined;
    return { path: text, key, record };
  }
}

/** Undefined when the file was replaced: its new content has a row of its own. */
async function sourceOf(maker: CopyMaker, file: FoundFile): Promise<CopySource | undefined> {
  try {
    return await maker.source(file.path, file.record);
  } catch (error) {
    if (isMeshError(error, "MESH_PATH_CHANGED")) return undefined;
    throw error;
  }
}

/** Faults at home, which say nothing about the friend. */
function isOwnFault(error: MeshError): boolean {
  const codes = ["MESH_CHUNK_UNAVAILABLE", "MESH_CHUNK_MISMATCH", "MESH_PATH_CHANGED"];
  return codes.includes(error.code) || error.code === "MESH_LIMIT";
}

function count(run: Run, reason: string): void {
  run.left++;
  const known = run.reasons.has(reason) || run.reasons.size < REASONS_MAX;
  const text = known ? reason : "other reasons";
  run.reasons.set(text, (run.reasons.get(text) ?? 0) + 1);
}
