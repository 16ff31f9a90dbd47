/**
 * The check of the whole: rows against rows at one revision (`fsck-rows.ts`), rows against chunks
 * (`fsck-chunks.ts`), and what may be mended (`fsck-mend.ts`). Without `repair` it only reads.
 *
 * Nothing is accused by what was read at two different moments: rows are compared at one revision,
 * and what looks lost is looked at again. When the history of the store is too short for that under
 * many writes, the check begins again, and after `ATTEMPTS` says that it could not be made.
 */
import {
  type Clock,
  type FileId,
  isMeshError,
  type Logger,
  limits,
  MeshError,
} from "@hearthmesh/core";
import type { Store } from "@hearthmesh/store";
import type { Placement } from "../../storage/placement.js";
import type { ChunkGuard } from "../chunk-guard.js";
import { fileOfKey, fileOfReference, keys } from "../keys.js";
import type { NamespaceContext } from "../namespace-context.js";
import type { NodeCalls } from "../node-calls.js";
import type { NodeDirectory } from "../node-directory.js";
import type { Totals } from "../usage.js";
import type { Progress } from "../workers/worker-definition.js";
import { type ChunksSeen, lookAtChunks } from "./fsck-chunks.js";
import { FsckMend } from "./fsck-mend.js";
import { pathsOf } from "./fsck-names.js";
import { FsckFindings, type FsckReport } from "./fsck-report.js";
import { lookAtRows, type RowsSeen, type SuspectFile } from "./fsck-rows.js";

const ATTEMPTS = 3;

export interface FsckOptions {
  readonly context: NamespaceContext;
  readonly nodes: NodeDirectory;
  readonly calls: NodeCalls;
  readonly guard: ChunkGuard;
  readonly clock: Clock;
  readonly log: Logger;
  placement(): Placement;
  /** There are chunks to copy. */
  onUnderReplicated(): void;
}

interface Rows {
  readonly seen: RowsSeen;
  readonly revision: number;
  readonly totals: Totals | undefined;
}

/** One check, from its start to its report. */
class FsckRun {
  readonly #options: FsckOptions;
  readonly #signal: AbortSignal;
  readonly #progress: Progress;
  readonly #repair: boolean;
  readonly #findings = new FsckFindings();
  readonly #mend: FsckMend;

  constructor(options: FsckOptions, signal: AbortSignal, progress: Progress, repair: boolean) {
    this.#options = options;
    this.#signal = signal;
    this.#progress = progress;
    this.#repair = repair;
    this.#mend = new FsckMend(options.context, options.guard);
  }

  async run(): Promise<FsckReport> {
    const { clock } = this.#options;
    const [startedAtMs, beganMs] = [clock.nowMs(), clock.monotonicMs()];
    const { seen, revision, totals } = await this.#rows();
    const chunks = await lookAtChunks({
      ...this.#options,
      ...{ store: this.#store, signal: this.#signal, progress: this.#progress },
    });
    await this.#judgeRows(seen);
    await this.#judgeUsage(seen, totals);
    await this.#judgeChunks(chunks);
    if (this.#repair && chunks.underReplicated > 0) this.#options.onUnderReplicated();
    if (seen.isCut || chunks.isCut) {
      this.#findings.skip(`more than ${limits.FSCK_FINDINGS_MAX} findings of a kind`);
    }
    const { files, directories, bytes, references, dead, trash } = seen;
    return this.#findings.report({
      ...{ startedAtMs, tookMs: clock.monotonicMs() - beganMs, revision, repair: this.#repair },
      ...{ files, directories, bytes, references, dead, trash },
      ...{ chunks: chunks.chunks, underReplicated: chunks.underReplicated },
      ...{ unreferenced: chunks.unreferenced, nodesAway: chunks.nodesAway },
    });
  }

  get #store(): Store {
    return this.#options.context.store;
  }

  async #rows(): Promise<Rows> {
    const { usage } = this.#options.context;
    for (let attempt = 1; ; attempt++) {
      const { revision, totals } = await usage.snapshot();
      const filesExpected = totals?.files ?? 0;
      const [signal, progress] = [this.#signal, this.#progress];
      const options = { store: this.#store, revision, filesExpected, signal, progress };
      try {
        return { seen: await lookAtRows(options), revision, totals };
      } catch (error) {
        if (!isMeshError(error, "MESH_STORE_COMPACTED")) throw error;
        if (attempt === ATTEMPTS) throw tooManyWrites();
      }
    }
  }

  async #judgeRows(seen: RowsSeen): Promise<void> {
    const named = [...seen.suspects, ...seen.segmentsMissing].map(({ fileId }) => fileId);
    const ids = new Set([...named, ...seen.deadAlive, ...seen.twice]);
    const paths = await pathsOf(this.#store, ids, this.#signal);
    for (const file of seen.segmentsMissing) await this.#judgeSegments(file, paths);
    for (const file of seen.suspects) await this.#judgeReferences(file, paths);
    for (const id of seen.twice) {
      this.#findings.add("file-twice", {
        ...pathOf(paths, id),
        id,
        detail: "two entries have this content; removing one takes the other's away",
      });
    }
    for (const id of seen.deadAlive) await this.#judgeDead(id, seen, paths);
    await this.#judgeStrays(seen);
    for (const id of seen.orphans) {
      const mended = this.#repair && (await this.#mend.adoptDirectory(id));
      const detail = mended ? "it is now below /lost+found" : "nothing leads to what lies in it";
      this.#findings.add("directory-orphan", { id, detail, mended });
    }
  }

  async #judgeSegments(file: SuspectFile, paths: ReadonlyMap<FileId, string>): Promise<void> {
    const now = await this.#mend.missingReferences(file.key, file.fileId);
    if (now === undefined || now.isWhole) return;
    const detail = "the list of its chunks has a gap";
    this.#findings.add("segment-missing", {
      ...pathOf(paths, file.fileId),
      id: file.fileId,
      detail,
    });
  }

  async #judgeReferences(
    { key, fileId }: SuspectFile,
    paths: ReadonlyMap<FileId, string>,
  ): Promise<void> {
    const now = await this.#mend.missingReferences(key, fileId);
    // Moved, replaced or removed since: then it is as it should be, or the next check sees it.
    if (now === undefined) return;
    const about = { ...pathOf(paths, fileId), id: fileId };
    if (now.missing.length === 0 && now.isWhole) {
      const detail = "chunks that are not of this file refer to it";
      this.#findings.add("reference-stray", { ...about, detail });
    }
    for (const chunk of now.missing) {
      const mended = this.#repair && (await this.#mend.addReference(key, fileId, chunk));
      const detail = `chunk ${chunk.index} has no reference to this file`;
      this.#findings.add("reference-missing", { ...about, detail, mended });
    }
  }

  async #judgeDead(id: FileId, seen: RowsSeen, paths: ReadonlyMap<FileId, string>): Promise<void> {
    const key = seen.keyOfAlive.get(id);
    if (key === undefined || (await this.#store.get(keys.dead(id))) === undefined) return;
    const mended = this.#repair && (await this.#mend.forgetDeath(key, id));
    const detail = "it is noted as removed, and its references would be taken away";
    this.#findings.add("dead-alive", { ...pathOf(paths, id), id, detail, mended });
  }

  async #judgeStrays(seen: RowsSeen): Promise<void> {
    const detail = "no file, upload or entry of the trash is behind it";
    for (const key of seen.strayReferences) {
      if ((await this.#store.get(key)) === undefined) continue;
      this.#findings.add("reference-stray", { id: key.slice(2), detail: `${detail}; it is kept` });
    }
    for (const key of seen.straySegments) {
      if ((await this.#store.get(key)) === undefined) continue;
      this.#findings.add("segment-stray", { id: fileOfKey(key), detail: `${detail}; it is kept` });
    }
    for (const key of seen.strayQueued) {
      if ((await this.#store.get(key)) === undefined) continue;
      const mended = this.#repair && (await this.#mend.forgetQueued(key));
      this.#findings.add("queue-stray", { id: fileOfKey(key), detail, mended });
    }
  }

  async #judgeUsage({ files, bytes }: RowsSeen, totals: Totals | undefined): Promise<void> {
    if (totals === undefined) return this.#findings.skip("the totals are still being counted");
    if (totals.files === files && totals.bytes === bytes) return;
    if (this.#repair) await this.#options.context.usage.recount(this.#signal);
    const told = `${totals.files} files with ${totals.bytes} bytes`;
    const detail = `the totals say ${told}, the rows ${files} files with ${bytes} bytes`;
    this.#findings.add("usage-wrong", { detail, mended: this.#repair });
  }

  async #judgeChunks({ gone, nodesAway }: ChunksSeen): Promise<void> {
    const byFile = new Map<FileId, number>();
    for (const id of gone) {
      const { entries } = await this.#store.range(keys.referencesOf(id), { keysOnly: true });
      for (const row of entries) {
        const fileId = fileOfReference(row.key);
        byFile.set(fileId, (byFile.get(fileId) ?? 0) + 1);
      }
    }
    const paths = await pathsOf(this.#store, new Set(byFile.keys()), this.#signal);
    const isSure = nodesAway.length === 0;
    for (const [fileId, count] of byFile) {
      const path = paths.get(fileId);
      // Of an upload, or of what was removed: nobody can read it anyway.
      if (path === undefined) continue;
      const where = isSure ? "no storage node has" : "no connected storage node has";
      const detail = `${where} ${count} of its chunks`;
      this.#findings.add(isSure ? "chunks-lost" : "chunks-away", { path, id: fileId, detail });
    }
  }
}

export class Fsck {
  readonly #options: FsckOptions;
  #report: FsckReport | undefined;
  #repairNext = false;

  constructor(options: FsckOptions) {
    this.#options = options;
  }

  /** Of the last check since this coordinator leads. */
  get report(): FsckReport | undefined {
    return this.#report;
  }

  /** The next run mends what is safe to mend. */
  repairNext(repair: boolean): void {
    this.#repairNext = repair;
  }

  async run(signal: AbortSignal, progress: Progress): Promise<void> {
    const repair = this.#repairNext;
    this.#repairNext = false;
    const report = await new FsckRun(this.#options, signal, progress, repair).run();
    this.#report = report;
    const found = Object.values(report.counts).reduce((sum, count) => sum + count, 0);
    progress.error(found - report.mended);
    const { log } = this.#options;
    if (report.state === "lost") log.error("files have lost content", { count: found });
    else if (found > 0) log.warn("the check has found something", { count: found });
  }
}

function pathOf(paths: ReadonlyMap<FileId, string>, id: FileId): { path?: string } {
  const path = paths.get(id);
  return path === undefined ? {} : { path };
}

function tooManyWrites(): MeshError {
  return new MeshError("MESH_STORE_BUSY", {
    message: "so much is written that the rows could not be read at one moment",
    hint: "Run it again when there is less to do.",
  });
}
