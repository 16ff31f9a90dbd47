/**
 * The look at all copies that friends have: `k/<file id>` rows.
 *
 * - A content that is gone from the namespace: its copies are removed. It is gone when its entry
 *   has not been where it was seen last, nor in the trash, in two scans with a walk over all files
 *   between them (the walk notes the new place of a file that was moved).
 * - A peer that was removed: what it has is written off, and the file waits for another copy.
 * - A copy that a friend does not have any more, or in another size: written off in the same way.
 * - A few copies at a time are read back as a whole; a damaged one is removed and made anew.
 *
 * A friend that cannot be reached is left alone for the rest of the scan: nothing is concluded.
 */
import {
  type Clock,
  errorFields,
  type FileId,
  isMeshError,
  type Logger,
  limits,
} from "@hearthmesh/core";
import type { KeyValue, Store } from "@hearthmesh/store";
import { fileOfKey } from "../coordinator/keys.js";
import { decodeJson } from "../coordinator/records.js";
import { pagesOf } from "../coordinator/store-helpers.js";
import type { Progress } from "../coordinator/workers/worker-definition.js";
import type { CopyMaker } from "./copy-maker.js";
import type { CopyNotes, Kept } from "./copy-notes.js";
import type { KeptCopy, KeptRecord } from "./copy-records.js";
import type { FriendsPort } from "./friends.js";
import type { OfferBook } from "./offer-book.js";

const PAGE_ROWS = 128;

export interface KeptScanOptions {
  readonly store: Store;
  readonly notes: CopyNotes;
  readonly maker: CopyMaker;
  readonly friends: FriendsPort;
  readonly offers: OfferBook;
  readonly clock: Clock;
  readonly log: Logger;
  readonly intervals: CopyIntervals;
  /** Which of these contents are in the trash. */
  inTrash(fileIds: ReadonlySet<FileId>): Promise<ReadonlySet<FileId>>;
  onWanted(files: number): void;
}

export interface CopyIntervals {
  /** Between two looks at the queue. */
  readonly queueMs: number;
  /** Between two walks over all files and copies. */
  readonly walkMs: number;
  /** A friend is asked for each copy this often. */
  readonly lookMs: number;
  /** Each copy is read back as a whole this often, as far as `checksPerRun` allows. */
  readonly checkMs: number;
  readonly checksPerRun: number;
}

export const DEFAULT_COPY_INTERVALS: CopyIntervals = {
  queueMs: 30_000,
  walkMs: 600_000,
  lookMs: 3_600_000,
  checkMs: 30 * 86_400_000,
  checksPerRun: 16,
};

interface Run {
  readonly signal: AbortSignal;
  readonly progress: Progress;
  readonly peers: ReadonlySet<string>;
  readonly trash: ReadonlySet<FileId>;
  /** Friends that did not answer in this scan. */
  readonly away: Set<string>;
  checksLeft: number;
  kept: number;
}

export class KeptScan {
  readonly #options: KeptScanOptions;
  #suspects = new Set<FileId>();
  #kept: number | undefined;

  constructor(options: KeptScanOptions) {
    this.#options = options;
  }

  /** Copies that are noted, as of the last scan. */
  get kept(): number | undefined {
    return this.#kept;
  }

  /** So many copies more, or fewer, than the last scan saw. */
  changed(copies: number): void {
    if (this.#kept !== undefined) this.#kept += copies;
  }

  /** After a walk over all files. A person who asked for the run has every copy looked at. */
  async run(signal: AbortSignal, progress: Progress): Promise<void> {
    const { store, friends, offers, intervals, inTrash } = this.#options;
    const silent = offers.friends().filter(({ failure }) => failure !== undefined);
    const before = this.#suspects;
    this.#suspects = new Set();
    const run: Run = {
      signal,
      progress,
      peers: new Set(friends.list().map(({ trustDomain }) => trustDomain)),
      trash: await inTrash(before),
      away: new Set(silent.map(({ trustDomain }) => trustDomain)),
      checksLeft: intervals.checksPerRun,
      kept: 0,
    };
    for await (const page of pagesOf(store, "k", { limit: PAGE_ROWS, signal })) {
      for (const row of page) await this.#row(row, before, run);
      await progress.pace(0);
    }
    this.#kept = run.kept;
  }

  async #row(row: KeyValue, before: ReadonlySet<FileId>, run: Run): Promise<void> {
    const { notes } = this.#options;
    const fileId = fileOfKey(row.key);
    const kept: Kept = { row, record: decodeJson<KeptRecord>(row.value) };
    run.progress.at(kept.record.path);
    if (await notes.isAt(kept.record, fileId)) return this.#look(fileId, kept, run);
    const isGone = before.has(fileId) && !run.trash.has(fileId);
    if (isGone) return this.#removeAll(fileId, kept, run);
    run.kept += kept.record.copies.length;
    if (this.#suspects.size < limits.COPIES_SUSPECT_MAX) this.#suspects.add(fileId);
  }

  async #look(fileId: FileId, kept: Kept, run: Run): Promise<void> {
    const { notes, onWanted, log } = this.#options;
    const { copies, path } = kept.record;
    const seen: (KeptCopy | undefined)[] = [];
    for (const copy of copies) seen.push(await this.#lookAt(fileId, copy, run));
    const left = seen.flatMap((copy) => copy ?? []);
    run.kept += left.length;
    if (left.length === copies.length && left.every((copy, at) => copy === copies[at])) return;
    await notes.rewrite(fileId, left, kept);
    if (left.length === copies.length) return;
    const lost = copies.filter((_, at) => seen[at] === undefined).map(({ member }) => member);
    log.warn("copies at friends are lost and will be made anew", {
      path,
      trustDomain: lost.join(" "),
    });
    if (await notes.want(fileId, path)) onWanted(1);
  }

  /** The copy as it is noted from now on; undefined when it is lost. */
  async #lookAt(fileId: FileId, copy: KeptCopy, run: Run): Promise<KeptCopy | undefined> {
    const { maker, clock, intervals, log } = this.#options;
    const { signal, progress } = run;
    if (!run.peers.has(copy.member)) return undefined;
    const nowMs = clock.nowMs();
    // A clock that was set back makes no copy wait for ever.
    const isDue = (atMs: number, everyMs: number) => Math.abs(nowMs - atMs) >= everyMs;
    const isLookDue = progress.asked || isDue(copy.seenAtMs, intervals.lookMs);
    if (run.away.has(copy.member) || !isLookDue) return copy;
    try {
      if (!(await maker.isThere(fileId, copy, signal))) return undefined;
      await progress.pace(0);
      const isCheckDue = run.checksLeft > 0 && isDue(copy.checkedAtMs, intervals.checkMs);
      if (!isCheckDue) return { ...copy, seenAtMs: nowMs };
      run.checksLeft--;
      await maker.readBack(fileId, copy, (bytes) => this.#pace(bytes, run), signal);
      return { ...copy, seenAtMs: nowMs, checkedAtMs: nowMs };
    } catch (error) {
      signal.throwIfAborted();
      log.info("a copy at a friend could not be looked at", {
        trustDomain: copy.member,
        ...errorFields(error),
      });
      progress.error(1);
      if (isMeshError(error, "MESH_COPY_DAMAGED")) return this.#dropDamaged(fileId, copy, run);
      run.away.add(copy.member);
      return copy;
    }
  }

  /** Removed, so that the next copy is a new file: the friend may keep the damaged bytes else. */
  async #dropDamaged(fileId: FileId, copy: KeptCopy, run: Run): Promise<undefined> {
    await this.#options.maker.remove(fileId, copy, run.signal).catch(() => undefined);
    this.#options.offers.wrote(copy.member, -copy.sealedBytes);
    return undefined;
  }

  async #removeAll(fileId: FileId, kept: Kept, run: Run): Promise<void> {
    const { maker, notes, offers, log } = this.#options;
    const left: KeptCopy[] = [];
    for (const copy of kept.record.copies) {
      if (!run.peers.has(copy.member)) continue;
      try {
        if (run.away.has(copy.member)) throw new Error("the friend did not answer");
        await maker.remove(fileId, copy, run.signal);
        offers.wrote(copy.member, -copy.sealedBytes);
        run.progress.done(1);
      } catch (error) {
        run.signal.throwIfAborted();
        left.push(copy);
        run.away.add(copy.member);
        run.progress.error(1);
        log.info("a copy of a removed file stays for now", {
          trustDomain: copy.member,
          ...errorFields(error),
        });
      }
    }
    run.kept += left.length;
    if (left.length > 0) this.#suspects.add(fileId);
    await notes.rewrite(fileId, left, kept);
  }

  async #pace(bytes: number, { progress }: Run): Promise<void> {
    progress.bytes(bytes);
    await progress.pace(bytes);
  }
}
