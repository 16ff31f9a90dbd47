/** The background work of a coordinator: which workers there are, and what wakes them. */
import type { Logger } from "@hearthmesh/core";
import type { CoordinatorIntervals } from "./coordinator-options.js";
import type { OpenUploads } from "./open-uploads.js";
import type { Uploads } from "./uploads.js";
import type { Usage } from "./usage.js";
import { Garbage, type GarbageOptions } from "./workers/garbage.js";
import { GarbageCandidates } from "./workers/garbage-candidates.js";
import { RepairQueue } from "./workers/repair-queue.js";
import { RepairWalk, type RepairWalkOptions } from "./workers/repair-walk.js";
import { Sweeper } from "./workers/sweeper.js";
import { type Progress, WorkerLoop } from "./workers/worker.js";

/** A walk that could not copy what it should is repeated after this. */
const REPAIR_RETRY_MS = 30_000;
const USAGE_RETRY_MS = 600_000;

export interface BackgroundOptions
  extends Omit<RepairWalkOptions, "candidates" | "graceMs" | "lostAfterMs" | "pauseMs">,
    Omit<GarbageOptions, "candidates" | "sweeper"> {
  readonly uploads: Uploads;
  readonly open: OpenUploads;
  readonly usage: Usage;
  readonly intervals: CoordinatorIntervals;
  readonly run: string;
  readonly log: Logger;
}

export class Background {
  readonly walk: RepairWalk;
  readonly queue: RepairQueue;
  readonly #options: BackgroundOptions;
  readonly #repair: WorkerLoop;
  readonly #repairQueue: WorkerLoop;
  readonly #workers: readonly WorkerLoop[];

  constructor(options: BackgroundOptions) {
    this.#options = options;
    const { intervals } = options;
    const candidates = new GarbageCandidates();
    const graceMs = intervals.garbageGraceMs;
    this.walk = new RepairWalk({
      ...options,
      candidates,
      graceMs,
      lostAfterMs: intervals.nodeLostMs,
      pauseMs: intervals.walkPauseMs,
    });
    this.queue = new RepairQueue({ ...options, placement: () => this.walk.placement() });
    const sweeper = new Sweeper({ ...options, candidates, graceMs });
    const garbage = new Garbage({ ...options, candidates, sweeper });
    this.#repair = this.#loop("repair", intervals.repairMs, async (signal, progress) => {
      await this.walk.run(signal, progress);
      if (this.walk.repairable > 0) this.#repair.wakeIn(REPAIR_RETRY_MS);
    });
    this.#repairQueue = this.#loop(
      "repair-queue",
      intervals.queueMs,
      (signal, progress) => this.queue.run(signal, progress),
      () => this.queue.length,
    );
    this.#workers = [
      this.#repair,
      this.#repairQueue,
      this.#loop(
        "garbage",
        intervals.garbageMs,
        (signal, progress) => garbage.run(signal, progress),
        () => garbage.queue,
      ),
      this.#loop("uploads", intervals.uploadsMs, (signal, progress) =>
        this.#expireUploads(signal, progress),
      ),
      this.#loop("usage", USAGE_RETRY_MS, (signal) => options.usage.count(signal)),
    ];
  }

  get workers(): readonly WorkerLoop[] {
    return this.#workers;
  }

  start(): void {
    for (const worker of this.#workers) worker.start();
    this.#repair.wake();
    this.worker("usage")?.wake();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.stop()));
  }

  worker(name: string): WorkerLoop | undefined {
    return this.#workers.find((worker) => worker.name === name);
  }

  /** Nodes came or the layout changed: what is stored where has to be looked at. */
  lookSoon(): void {
    const { settleMs } = this.#options.intervals;
    this.#repair.wakeIn(settleMs);
    this.#repairQueue.wakeIn(settleMs);
  }

  /** So many chunks were written with fewer copies than they should have. */
  queued(chunks: number): void {
    if (chunks === 0) return;
    this.queue.grew(chunks);
    this.#repairQueue.wakeIn(this.#options.intervals.queueMs);
  }

  async #expireUploads(signal: AbortSignal, progress: Progress): Promise<void> {
    const { open, uploads, clock, log } = this.#options;
    for (const fileId of open.idle(clock.monotonicMs())) {
      signal.throwIfAborted();
      await uploads.discard(fileId);
      progress.done(1);
      log.info("an upload that was left alone has ended", { fileId });
    }
  }

  #loop(
    name: string,
    intervalMs: number,
    run: ConstructorParameters<typeof WorkerLoop>[0]["run"],
    queue: () => number = () => 0,
  ): WorkerLoop {
    const { clock, log } = this.#options;
    return new WorkerLoop({ name, intervalMs, clock, log, run, queue });
  }
}
