/** One client of a recording: its workers, each of which has one call open at a time. */
import { type Clock, MeshError, type Random, sleep } from "@hearthmesh/core";
import type { ClientEvent } from "./format.js";
import type { Answer, Invocation, RecordedStore } from "./perform.js";
import { Recorder } from "./recorder.js";
import { END_KEY, LockWork, REGISTER_PREFIX, RegisterWork } from "./workload.js";

/** A stretch of a watch ends after so much time or so many batches; the next goes on from there. */
const WATCH_STRETCH_MS = 1500;
const WATCH_STRETCH_BATCHES_MAX = 400;
/** Pause after a call that failed, so that a dead store is not hammered. */
const FAILED_PAUSE_MS = 50;
/** How long a watch may take to give the last write, when all is well again. */
const WATCH_END_MS_MAX = 20_000;
/** How long the store may take to answer again, when all faults are ended. */
const LAST_WRITE_MS_MAX = 30_000;

export interface ClientRunOptions {
  readonly store: RecordedStore;
  readonly clock: Clock;
  readonly random: Random;
  /** Microseconds of a clock that all clients share. */
  readonly nowUs: () => number;
  readonly emit: (event: ClientEvent) => void;
  /** Place of this client, and how many there are: their processes have different numbers. */
  readonly place: number;
  readonly clients: number;
  readonly registerWorkers: number;
  /** Mean pause of a worker between two calls. */
  readonly pauseMs: number;
  readonly startRevision: number;
}

export class ClientRun {
  readonly #options: ClientRunOptions;
  readonly #working: Promise<void>[] = [];
  readonly #watching: Promise<void>[] = [];
  /** Ends the stretches of watches that are under way. */
  readonly #stretches = new Set<AbortController>();
  #isStopping = false;
  /** Revision of the last write of all, once it is known. */
  #endRevision = Number.POSITIVE_INFINITY;
  #processes = 0;
  #givesUpAtMs = Number.POSITIVE_INFINITY;

  constructor(options: ClientRunOptions) {
    this.#options = options;
  }

  start(): void {
    const { place, registerWorkers, random } = this.#options;
    for (let worker = 0; worker < registerWorkers; worker++) {
      const work = new RegisterWork(`${place}.${worker}`, random);
      this.#working.push(
        this.#work(
          () => work.next(),
          (asked, answer) => answer && work.learned(asked, answer),
        ),
      );
    }
    const lock = new LockWork(`${place}.lock`, random);
    this.#working.push(
      this.#work(
        () => lock.next(),
        (asked, answer) => lock.learned(asked, answer),
      ),
    );
    this.#watching.push(this.#watch(place % 2 === 0 ? "" : REGISTER_PREFIX));
  }

  /** Resolves when the last call of the workers has ended; the watches go on. */
  async stopWork(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#working);
  }

  /**
   * Reads everything and writes the last key of all; gives its revision. `MESH_STORE_UNAVAILABLE`
   * when the store does not recover.
   */
  async writeEnd(): Promise<number> {
    const recorder = this.#recorder();
    const untilMs = this.#options.clock.monotonicMs() + LAST_WRITE_MS_MAX;
    while (this.#options.clock.monotonicMs() < untilMs) {
      const read = await recorder.call({ op: "range", prefix: "" });
      const written = read && (await recorder.call({ op: "put", key: END_KEY, value: "end" }));
      if (written?.revision !== undefined) return written.revision;
      await sleep(this.#options.clock, FAILED_PAUSE_MS);
    }
    throw new MeshError("MESH_STORE_UNAVAILABLE", {
      message: `the store took no write for ${LAST_WRITE_MS_MAX / 1000} s after the last fault`,
    });
  }

  /** Resolves when the watches have given everything, or have had long enough. */
  async finish(endRevision: number): Promise<void> {
    this.#endRevision = endRevision;
    this.#givesUpAtMs = this.#options.clock.monotonicMs() + WATCH_END_MS_MAX;
    for (const stretch of this.#stretches) stretch.abort();
    await Promise.all(this.#watching);
  }

  #recorder(): Recorder {
    const { store, nowUs, emit, place, clients } = this.#options;
    const newProcess = () => place + clients * this.#processes++;
    return new Recorder({ store, nowUs, emit, newProcess });
  }

  async #work(
    next: () => Invocation,
    learned: (asked: Invocation, answer: Answer | undefined) => void,
  ): Promise<void> {
    const { clock, random, pauseMs } = this.#options;
    const recorder = this.#recorder();
    while (!this.#isStopping) {
      const invocation = next();
      const answer = await recorder.call(invocation);
      learned(invocation, answer);
      const mean = answer === undefined ? FAILED_PAUSE_MS : pauseMs;
      await sleep(clock, random.float() * 2 * mean);
    }
  }

  async #watch(prefix: string): Promise<void> {
    const recorder = this.#recorder();
    const { clock, startRevision } = this.#options;
    let fromRevision = startRevision + 1;
    const isLate = () => clock.monotonicMs() > this.#givesUpAtMs;
    while (fromRevision <= this.#endRevision) {
      const stretch = new AbortController();
      this.#stretches.add(stretch);
      const timer = clock.setTimeout(() => stretch.abort(), WATCH_STRETCH_MS);
      const startMs = clock.monotonicMs();
      const last = await recorder.watch(
        { op: "watch", prefix, fromRevision },
        {
          signal: stretch.signal,
          untilRevision: () => this.#endRevision,
          batchesMax: WATCH_STRETCH_BATCHES_MAX,
        },
        isLate,
      );
      timer.cancel();
      this.#stretches.delete(stretch);
      if (isLate()) return;
      fromRevision = last + 1;
      // One that failed at once.
      if (clock.monotonicMs() - startMs < FAILED_PAUSE_MS) await sleep(clock, FAILED_PAUSE_MS);
    }
  }
}
