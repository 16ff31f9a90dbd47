/** The background work of a coordinator: which workers there are, and what wakes them. */
import { type Logger, sleep } from "@hearthmesh/core";
import type { CoordinatorIntervals } from "./coordinator-options.js";
import { Fsck } from "./fsck/fsck.js";
import { FSCK_WORKER } from "./fsck/fsck-methods.js";
import { Slots } from "./gates.js";
import type { NamespaceContext } from "./namespace-context.js";
import type { OpenUploads } from "./open-uploads.js";
import type { Trash } from "./trash.js";
import type { Uploads } from "./uploads.js";
import type { Usage } from "./usage.js";
import { DamageCheck, type DamageCheckOptions } from "./workers/damage-check.js";
import { Garbage, type GarbageOptions } from "./workers/garbage.js";
import { GarbageCandidates } from "./workers/garbage-candidates.js";
import { GarbageHold } from "./workers/garbage-hold.js";
import { RepairQueue } from "./workers/repair-queue.js";
import { RepairWalk, type RepairWalkOptions } from "./workers/repair-walk.js";
import { ScrubWatch } from "./workers/scrub-watch.js";
import { Sweeper } from "./workers/sweeper.js";
import type { WorkerLoop } from "./workers/worker.js";
import type { Progress, WorkerDefinition } from "./workers/worker-definition.js";
import { WorkerRegistry } from "./workers/worker-registry.js";

/** A walk that could not copy what it should is repeated after this. */
const REPAIR_RETRY_MS = 30_000;
/** Copies that are missing are worth half of the time. */
const REPAIR_REST_WHILE_BUSY = 1;
const USAGE_RETRY_MS = 600_000;
/** Damage is found in groups, and whoever found it reads on meanwhile. */
const DAMAGE_SETTLE_MS = 250;

export interface BackgroundOptions
  extends Omit<RepairWalkOptions, "candidates" | "graceMs" | "lostAfterMs" | "pauseMs">,
    Omit<GarbageOptions, "candidates" | "sweeper" | "hold">,
    Pick<DamageCheckOptions, "suspects" | "book" | "self" | "acks"> {
  readonly uploads: Uploads;
  readonly open: OpenUploads;
  readonly usage: Usage;
  readonly trash: Trash;
  readonly intervals: CoordinatorIntervals;
  readonly run: string;
  readonly log: Logger;
  readonly context: NamespaceContext;
  /** Whether people and programs use the files now. */
  busy(): boolean;
  readonly extraWorkers?: (() => readonly WorkerDefinition[]) | undefined;
}

export class Background {
  readonly walk: RepairWalk;
  readonly queue: RepairQueue;
  readonly fsck: Fsck;
  readonly registry: WorkerRegistry;
  /** Reasons for which nothing is deleted. */
  readonly hold = new GarbageHold();
  readonly #options: BackgroundOptions;
  readonly #repair: WorkerLoop;
  readonly #rebalance: WorkerLoop;
  readonly #repairQueue: WorkerLoop;
  readonly #damage: WorkerLoop;
  /** One walk at a time, whoever asked for it. */
  readonly #walks = new Slots(1);
  #walkedVersion: number | undefined;

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
    this.fsck = new Fsck({
      ...options,
      placement: () => this.walk.placement(),
      onUnderReplicated: () => this.#repair.wake(),
    });
    const sweeper = new Sweeper({ ...options, candidates, graceMs });
    const garbage = new Garbage({ ...options, candidates, sweeper, hold: this.hold });
    this.registry = new WorkerRegistry(options);
    this.#repair = this.registry.add({
      name: "repair",
      purpose: "walks all chunks and brings missing copies back",
      intervalMs: intervals.repairMs,
      runsAtStart: true,
      restWhileBusy: REPAIR_REST_WHILE_BUSY,
      run: (signal, progress) => this.#walkAll(signal, progress),
    });
    this.#rebalance = this.registry.add({
      name: "rebalance",
      purpose: "moves chunks to where a changed layout wants them",
      intervalMs: intervals.repairMs,
      run: async (signal, progress) => {
        const isNew = this.#walkedVersion !== options.layout().version;
        const isNeeded = isNew || options.drains.isUnfinished;
        if (isNeeded || progress.asked) await this.#walkAll(signal, progress);
      },
    });
    this.#repairQueue = this.registry.add({
      name: "repair-queue",
      purpose: "completes chunks that were written with fewer copies than they should have",
      intervalMs: intervals.queueMs,
      restWhileBusy: REPAIR_REST_WHILE_BUSY,
      run: (signal, progress) => this.queue.run(signal, progress),
      queue: () => this.queue.length,
    });
    this.#addUpkeep(garbage);
    this.#damage = this.#addDamage();
    this.#addScrub();
    this.#addFsck();
    for (const definition of options.extraWorkers?.() ?? []) this.registry.add(definition);
  }

  #addFsck(): void {
    this.registry.add({
      name: FSCK_WORKER,
      purpose: "checks names, references and chunks against each other",
      intervalMs: this.#options.intervals.fsckMs,
      keepsHistory: true,
      run: (signal, progress) => this.fsck.run(signal, progress),
    });
  }

  #addDamage(): WorkerLoop {
    const { intervals, suspects } = this.#options;
    const placement = () => this.walk.placement();
    const check = new DamageCheck({ ...this.#options, hold: this.hold, placement });
    return this.registry.add({
      name: "damage",
      purpose: "reads copies again that were said to be damaged, and replaces those that are",
      intervalMs: intervals.scrubMs,
      restWhileBusy: REPAIR_REST_WHILE_BUSY,
      run: (signal, progress) => check.run(signal, progress),
      queue: () => suspects.length,
    });
  }

  #addScrub(): void {
    const { clock, intervals } = this.#options;
    const scrub = new ScrubWatch({
      ...this.#options,
      placement: () => this.walk.placement(),
      rest: (timeMs, signal) => sleep(clock, timeMs, signal),
    });
    this.registry.add({
      name: "scrub",
      purpose: "has every chunk verified within 30 days, and damaged ones mended",
      intervalMs: intervals.scrubMs,
      run: (signal, progress) => scrub.run(signal, progress),
      queue: () => scrub.missing,
    });
  }

  #addUpkeep(garbage: Garbage): void {
    const { intervals, usage, trash } = this.#options;
    this.registry.add({
      name: "garbage",
      purpose: "deletes chunks that no file refers to",
      intervalMs: intervals.garbageMs,
      run: (signal, progress) => garbage.run(signal, progress),
      queue: () => garbage.queue,
    });
    this.registry.add({
      name: "uploads",
      purpose: "ends uploads that were left alone",
      intervalMs: intervals.uploadsMs,
      run: (signal, progress) => this.#expireUploads(signal, progress),
    });
    this.registry.add({
      name: "trash",
      purpose: "empties what has been in the trash for its whole time",
      intervalMs: intervals.trashMs,
      keepsHistory: true,
      run: async (signal, progress) => {
        if (!this.hold.isHeld) await trash.expire(signal, progress);
      },
      queue: () => trash.length,
    });
    this.registry.add({
      name: "usage",
      purpose: "counts files and bytes",
      intervalMs: USAGE_RETRY_MS,
      runsAtStart: true,
      run: (signal) => usage.count(signal),
    });
  }

  get workers(): readonly WorkerLoop[] {
    return this.registry.all;
  }

  /** Before `start`: what operators set. */
  load(): Promise<void> {
    return this.registry.load();
  }

  start(): void {
    this.registry.start();
  }

  stop(): Promise<void> {
    return this.registry.stop();
  }

  /** Nodes came or the layout changed: what is stored where has to be looked at. */
  lookSoon(): void {
    const { layout, intervals } = this.#options;
    const { settleMs } = intervals;
    const walked = this.#walkedVersion;
    const isNewLayout = walked !== undefined && walked !== layout().version;
    (isNewLayout ? this.#rebalance : this.#repair).wakeIn(settleMs);
    this.#repairQueue.wakeIn(settleMs);
  }

  /** Somebody said that a copy is damaged. */
  suspected(): void {
    this.#damage.wakeIn(DAMAGE_SETTLE_MS);
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

  #walkAll(signal: AbortSignal, progress: Progress): Promise<void> {
    return this.#walks.run(async () => {
      signal.throwIfAborted();
      const { version } = this.#options.layout();
      const before = this.walk.state;
      await this.walk.run(signal, progress);
      if (this.walk.state !== before) this.#walkedVersion = version;
      if (this.walk.repairable > 0) this.#repair.wakeIn(REPAIR_RETRY_MS);
    });
  }
}
