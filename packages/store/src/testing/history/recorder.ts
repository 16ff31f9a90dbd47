/** Calls a store and writes down what was asked and answered, and when. */
import { WATCH_LATE } from "./check-history.js";
import type { ClientEvent, HistoryBatch } from "./format.js";
import {
  type Answer,
  type Invocation,
  type Leases,
  outcomeOf,
  perform,
  performWatch,
  type RecordedStore,
  type WatchLimits,
} from "./perform.js";

export interface RecorderOptions {
  readonly store: RecordedStore;
  /** Microseconds of a monotonic clock that all recorders of a history share. */
  readonly nowUs: () => number;
  readonly emit: (event: ClientEvent) => void;
  /** A number that no process of the history has had. */
  readonly newProcess: () => number;
}

/** One process: it has one call at a time. After an unknown outcome it goes on as a new one. */
export class Recorder {
  readonly #options: RecorderOptions;
  readonly #leases: Leases = new Map();
  #process: number;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#process = options.newProcess();
  }

  /** The answer, or undefined when there was none; the history has the reason. */
  async call(invocation: Invocation): Promise<Answer | undefined> {
    this.#emit("invoke", invocation);
    try {
      const answer = await perform(this.#options.store, invocation, this.#leases);
      this.#emit("ok", { ...named(invocation), ...answer });
      return answer;
    } catch (error) {
      this.#failed(invocation, error, {});
      return undefined;
    }
  }

  /** One stretch of a watch; gives its last revision, or the one before its start. */
  async watch(
    invocation: Invocation,
    limits: Omit<WatchLimits, "nowUs">,
    isLate: () => boolean,
  ): Promise<number> {
    const batches: HistoryBatch[] = [];
    this.#emit("invoke", invocation);
    const { store, nowUs } = this.#options;
    try {
      await performWatch(store, invocation, batches, { ...limits, nowUs });
      if (isLate()) this.#emit("fail", { ...named(invocation), batches, error: WATCH_LATE });
      else this.#emit("ok", { ...named(invocation), batches });
    } catch (error) {
      this.#failed(invocation, error, { batches });
    }
    return batches.at(-1)?.revision ?? (invocation.fromRevision ?? 1) - 1;
  }

  #failed(invocation: Invocation, error: unknown, answer: Answer): void {
    const { type, error: code } = outcomeOf(invocation.op, error);
    this.#emit(type, { ...named(invocation), ...answer, error: code });
    if (type === "info") this.#process = this.#options.newProcess();
  }

  #emit(type: ClientEvent["type"], fields: Invocation): void {
    const { emit, nowUs } = this.#options;
    emit({ process: this.#process, type, time: nowUs(), ...fields });
  }
}

/** What a completion repeats, so that each line can be read by itself. */
function named({ op, key, prefix, lease }: Invocation): Invocation {
  return {
    op,
    ...(key === undefined ? {} : { key }),
    ...(prefix === undefined ? {} : { prefix }),
    ...(lease === undefined ? {} : { lease }),
  };
}
