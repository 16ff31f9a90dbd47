/**
 * Verifies what is on the disk of a storage node: every chunk is read and hashed within 30 days, in
 * the order of the ids, from a random place at the first start and from the last place after a
 * restart. The coordinator may throttle it, look at it and ask for a whole pass at once.
 *
 *     resting --due--> verifying one --> resting ...;   resting --run--> full pass --end--> resting
 *
 * Invariants: a chunk counts as verified only when all its bytes hashed to its id in this pass; one
 * pass is under way at a time. A damaged chunk is taken out of service by the chunk store, which
 * names it here too when a reader found it; it stays in `missing` until it is stored again.
 *
 * Errors never leave the loop: a disk that gives nothing is logged, and the next step comes.
 */
import {
  type ChunkId,
  type Clock,
  type Disk,
  errorFields,
  isMeshError,
  type Logger,
  limits,
  type Random,
  type Startable,
  sleep,
} from "@hearthmesh/core";
import { Pace } from "../coordinator/workers/pace.js";
import {
  STANDARD_SETTINGS,
  type WorkerSettings,
} from "../coordinator/workers/worker-definition.js";
import type { ChunkScrubRequest, ChunkScrubResponse } from "../protocol.js";
import type { ChunkStore, StorageReport } from "../types.js";
import { ScrubFile } from "./scrub-file.js";
import { believable, portionAt, type ScrubRecord, scrubRestMs } from "./scrub-plan.js";

/** Chunks that a full pass reads at a time: one is hashed while the disk gives the other. */
const READS_AT_A_TIME = 2;
const PAGE_CHUNKS = 64;
const SAVE_EVERY_MS = 60_000;
/** Without chunks, while it is paused, and after a failure of the disk. */
const IDLE_MS = 60_000;

export interface ScrubberOptions {
  readonly chunkStore: ChunkStore;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Whether chunks are asked for or stored now. */
  busy(): boolean;
}

export class Scrubber implements Startable {
  readonly name = "scrub";
  readonly #options: ScrubberOptions;
  readonly #log: Logger;
  readonly #file: ScrubFile;
  readonly #stop = new AbortController();
  readonly #pace: Pace;
  readonly #missing = new Set<ChunkId>();
  #settings: WorkerSettings = STANDARD_SETTINGS;
  #record: ScrubRecord;
  #savedMs = 0;
  /** Ends the present rest: there is a full pass to do, or the settings are others. */
  #wake = new AbortController();
  #wanted = 0;
  #fullPasses = 0;
  #isFull = false;
  #lastFull: ChunkScrubResponse["lastFull"];
  #loop: Promise<void> | undefined;

  constructor(options: ScrubberOptions) {
    this.#options = options;
    this.#log = options.log.child({ part: "scrub" });
    this.#file = new ScrubFile(options.disk);
    this.#record = newPass(options.clock.nowMs());
    const { clock, busy } = options;
    const settings = () => this.#settings;
    this.#pace = new Pace({ clock, signal: this.#stop.signal, settings, busy });
  }

  async start(): Promise<void> {
    this.#loop ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error("the scrub is stopping"));
    await this.#loop;
  }

  /** The chunk store took this chunk out of service. */
  damaged(id: ChunkId): void {
    if (this.#missing.size < limits.SCRUB_DAMAGED_NAMED_MAX) this.#missing.add(id);
  }

  /** `chunk.scrub`: what the coordinator wants, and how far it is. */
  serve({ settings, run }: ChunkScrubRequest): ChunkScrubResponse {
    if (settings !== undefined) this.#configure(settings);
    if (run === true) {
      this.#wanted = this.#fullPasses + 1;
      this.#wake.abort();
    }
    const { chunkStore } = this.#options;
    for (const id of this.#missing) if (chunkStore.has(id)) this.#missing.delete(id);
    const { position, passStartedAtMs, verified, damaged, bytes, lastPassAtMs } = this.#record;
    return {
      full: this.#wanted > this.#fullPasses,
      passes: this.#fullPasses,
      portion: portionAt(position),
      ...{ passStartedAtMs, verified, damaged, bytes },
      ...(lastPassAtMs === undefined ? {} : { lastPassAtMs }),
      ...(this.#lastFull === undefined ? {} : { lastFull: this.#lastFull }),
      missing: [...this.#missing],
    };
  }

  /** For the report of the node: whole passes that were asked for, and what the last one found. */
  summary(): NonNullable<StorageReport["scrub"]> {
    const { verified = 0, damaged = 0 } = this.#lastFull ?? {};
    return { passes: this.#fullPasses, verified, damaged };
  }

  #configure(settings: WorkerSettings): void {
    if (JSON.stringify(settings) === JSON.stringify(this.#settings)) return;
    this.#settings = settings;
    this.#wake.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    await this.#load().catch((error: unknown) =>
      this.#log.warn("the place of the scrub is not known; it begins anew", errorFields(error)),
    );
    while (!signal.aborted) {
      const restMs = await this.#step().catch((error: unknown) => {
        if (!signal.aborted) this.#log.warn("the scrub failed; trying again", errorFields(error));
        return IDLE_MS;
      });
      if (this.#wanted > this.#fullPasses) continue;
      this.#wake = new AbortController();
      const either = AbortSignal.any([signal, this.#wake.signal]);
      await sleep(this.#options.clock, restMs, either).catch(() => undefined);
    }
    await this.#save().catch(() => undefined);
  }

  async #load(): Promise<void> {
    const { clock, random } = this.#options;
    const kept = await this.#file.read();
    const nowMs = clock.nowMs();
    if (kept !== undefined) {
      this.#record = believable(kept, nowMs);
      return;
    }
    const position = Buffer.from(random.bytes(32)).toString("hex") as ChunkId;
    this.#record = { ...newPass(nowMs), position };
  }

  /** How long to rest then. */
  async #step(): Promise<number> {
    if (this.#wanted > this.#fullPasses) {
      await this.#fullPass();
      return 0;
    }
    if (this.#settings.paused) return IDLE_MS;
    const { chunkStore, clock } = this.#options;
    const [id] = chunkStore.list(this.#record.position, 1);
    if (id === undefined) {
      const isEmpty = chunkStore.list(undefined, 1).length === 0;
      if (!isEmpty) await this.#endPass();
      return isEmpty ? IDLE_MS : 0;
    }
    this.#pace.resume();
    const bytes = await this.#verify(id);
    this.#advance(id);
    await this.#pace.step(bytes);
    if (clock.monotonicMs() - this.#savedMs >= SAVE_EVERY_MS) await this.#save();
    const { chunkCount } = await chunkStore.report();
    return scrubRestMs(this.#record, chunkCount, clock.nowMs());
  }

  /** From the first chunk to the last, as fast as the settings and people's use allow. */
  async #fullPass(): Promise<void> {
    const { chunkStore, clock, busy } = this.#options;
    const { signal } = this.#stop;
    this.#record = this.#nextPass();
    this.#isFull = true;
    const settings = () => (busy() ? this.#settings : { tranquility: 0, ...this.#settings });
    const pace = new Pace({ clock, signal, settings, busy, ignoresPause: () => true });
    try {
      for (;;) {
        const ids = chunkStore.list(this.#record.position, PAGE_CHUNKS);
        if (ids.length === 0) break;
        for (let at = 0; at < ids.length; at += READS_AT_A_TIME) {
          const some = ids.slice(at, at + READS_AT_A_TIME);
          const sizes = await Promise.all(some.map((id) => this.#verify(id)));
          this.#advance(some.at(-1) as ChunkId);
          await pace.step(sizes.reduce((sum, bytes) => sum + bytes, 0));
        }
      }
      await this.#endPass();
    } finally {
      this.#isFull = false;
    }
  }

  /** Bytes that were verified. */
  async #verify(id: ChunkId): Promise<number> {
    const { chunkStore } = this.#options;
    try {
      const { bytes } = await chunkStore.get(id);
      this.#count(1, 0, bytes.length);
      return bytes.length;
    } catch (error) {
      // Deleted in the meantime: nothing to verify.
      if (isMeshError(error, "MESH_CHUNK_NOT_FOUND")) return 0;
      this.#count(0, 1, 0);
      this.damaged(id);
      return limits.CHUNK_BYTES_MAX;
    }
  }

  #count(verified: number, damaged: number, bytes: number): void {
    const record = this.#record;
    this.#record = {
      ...record,
      verified: record.verified + verified,
      damaged: record.damaged + damaged,
      bytes: record.bytes + bytes,
    };
  }

  #advance(position: ChunkId): void {
    this.#record = { ...this.#record, position };
  }

  async #endPass(): Promise<void> {
    const { verified, damaged, bytes } = this.#record;
    const nowMs = this.#options.clock.nowMs();
    if (this.#isFull) {
      this.#fullPasses++;
      this.#lastFull = { verified, damaged, bytes };
    }
    this.#record = { ...this.#nextPass(), lastPassAtMs: nowMs };
    this.#log.info("all chunks were verified", { count: verified, bytes });
    if (damaged > 0) this.#log.warn("damaged chunks were found", { count: damaged });
    await this.#save();
  }

  #nextPass(): ScrubRecord {
    const { lastPassAtMs } = this.#record;
    const pass = newPass(this.#options.clock.nowMs());
    return lastPassAtMs === undefined ? pass : { ...pass, lastPassAtMs };
  }

  async #save(): Promise<void> {
    this.#savedMs = this.#options.clock.monotonicMs();
    await this.#file.write(this.#record);
  }
}

function newPass(nowMs: number): ScrubRecord {
  return { v: 1, passStartedAtMs: nowMs, verified: 0, damaged: 0, bytes: 0 };
}
