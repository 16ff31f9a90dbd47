/**
 * The walk over all files: every file against the policy of its path. It notes files that should
 * have copies and have too few, removes copies of files that should have none or fewer, and notes
 * where a file is now, so that the look at the copies (`kept-scan.ts`) knows what is gone.
 *
 * Goes down from the root, one page of each directory at a time, so its memory is bounded by the
 * depth of the tree. What is in the trash is not below the root: its copies are left alone.
 */
import { type FileId, isMeshError } from "@hearthmesh/core";
import type { RangeResult, Store } from "@hearthmesh/store";
import { keys, nameOfEntry, ROOT_ID, rowsAfter } from "../coordinator/keys.js";
import { childPath } from "../coordinator/paths.js";
import { decodeEntry } from "../coordinator/records.js";
import { isEmpty } from "../coordinator/store-helpers.js";
import type { Progress } from "../coordinator/workers/worker-definition.js";
import { chooseFriends } from "./choose-friends.js";
import type { CopyMaker } from "./copy-maker.js";
import type { CopyNotes, FoundFile, Kept } from "./copy-notes.js";
import type { OfferBook } from "./offer-book.js";
import { type FriendTarget, friendTarget } from "./policy.js";
import type { PolicyBook } from "./policy-book.js";

const PAGE_ROWS = 256;
/** What friends keep here has no copies elsewhere. */
const COPIES_NAME = ".copies";

export interface CopyWalkOptions {
  readonly store: Store;
  readonly policies: PolicyBook;
  readonly offers: OfferBook;
  readonly maker: CopyMaker;
  readonly notes: CopyNotes;
  /** So many files more wait for copies. */
  onWanted(files: number): void;
}

interface Run {
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

export class CopyWalk {
  readonly #options: CopyWalkOptions;

  constructor(options: CopyWalkOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal, progress: Progress): Promise<void> {
    const { policies, store } = this.#options;
    // Without policies and copies there is nothing that a walk could find.
    if (policies.isEmpty && (await isEmpty(store, rowsAfter("k")))) return;
    await this.#directory(ROOT_ID, "/", { signal, progress });
  }

  async #directory(directoryId: FileId, path: string, run: Run): Promise<void> {
    let after: string | undefined;
    for (;;) {
      run.signal.throwIfAborted();
      const range =
        after === undefined
          ? keys.children(directoryId)
          : keys.childrenFrom(directoryId, `${after}\u0001`);
      const page: RangeResult = await this.#options.store.range(range, { limit: PAGE_ROWS });
      run.progress.at(path);
      for (const row of page.entries) {
        const name = nameOfEntry(row.key);
        const record = decodeEntry(row.value);
        const child = childPath(path, name);
        if (record.kind === "file") await this.#file({ path: child, key: row.key, record }, run);
        else if (path !== "/" || name !== COPIES_NAME) {
          await this.#directory(record.fileId, child, run);
        }
        after = name;
      }
      await run.progress.pace(0);
      if (!page.more || page.entries.length === 0) return;
    }
  }

  async #file(file: FoundFile, run: Run): Promise<void> {
    const { policies, notes, onWanted } = this.#options;
    const target = friendTarget(policies.nearest(file.path));
    const kept = await notes.kept(file.record.fileId);
    if (kept === undefined && target.wanted === 0) return;
    if (kept !== undefined) await this.#settleKept(file, kept, target, run);
    const has = kept?.record.copies.length ?? 0;
    if (has >= target.wanted) return;
    // A file that could have more copies than it needs waits only when somebody can take one.
    if (has < target.needed || (await this.#canGrow(file, kept, target))) {
      if (await notes.want(file.record.fileId, file.path)) onWanted(1);
    }
  }

  async #settleKept(file: FoundFile, kept: Kept, target: FriendTarget, run: Run): Promise<void> {
    const { notes, maker, offers } = this.#options;
    const { fileId } = file.record;
    const { copies } = kept.record;
    const choice = this.#choose(file, kept, target);
    const removed = new Set<string>();
    for (const copy of copies.filter(({ member }) => choice.remove.includes(member))) {
      try {
        await maker.remove(fileId, copy, run.signal);
        offers.wrote(copy.member, -copy.sealedBytes);
        removed.add(copy.member);
        run.progress.done(1);
      } catch (error) {
        run.signal.throwIfAborted();
        if (!isMeshError(error)) throw error;
        run.progress.error(1);
      }
    }
    const isMoved = kept.record.path !== file.path || !(await notes.isAt(kept.record, fileId));
    if (removed.size === 0 && !isMoved) return;
    const left = copies.filter(({ member }) => !removed.has(member));
    await notes.keep(file, left, kept);
  }

  async #canGrow(file: FoundFile, kept: Kept | undefined, target: FriendTarget): Promise<boolean> {
    return this.#choose(file, kept, target).make.length > 0;
  }

  #choose({ record }: FoundFile, kept: Kept | undefined, target: FriendTarget) {
    return chooseFriends({
      fileId: record.fileId,
      target,
      friends: this.#options.offers.friends(),
      kept: kept?.record.copies ?? [],
      sealedBytes: record.sizeBytes,
    });
  }
}
