/**
 * What a worker is made of: a name, a purpose, and a run. Whoever has upkeep to do at the leading
 * coordinator hands in a definition (`CoordinatorOptions.extraWorkers`) and gets its schedule,
 * throttle, settings, visibility and metrics with it.
 */

/** What the work tells while it runs, and how it is slowed down. */
export interface Progress {
  /** Things that were done, such as chunks copied. */
  done(count: number): void;
  /** Things that failed and are tried again by a later run. */
  error(count: number): void;
  bytes(count: number): void;
  /** Where the run is, for people: a path, a chunk, a node. */
  at(position: string): void;
  /** How much of the run is over, from 0 to 1; `undefined` when nobody can say. */
  portion(share: number | undefined): void;
  /**
   * To be awaited after each small piece of work, with the bytes that it read or wrote. Rests as
   * the settings of the worker say, and while it is paused. Rejects when the worker stops.
   */
  pace(bytes: number): Promise<void>;
  /** A person asked for this run: it does all of its work, due or not. */
  readonly asked: boolean;
  readonly settings: WorkerSettings;
}

export interface WorkerDefinition {
  /** Small letters and dashes; the name in commands, settings and metrics. */
  readonly name: string;
  /** One line for people. */
  readonly purpose: string;
  readonly intervalMs: number;
  /** One run at a time; `signal` ends it. Throwing counts an error, and the next run comes. */
  run(signal: AbortSignal, progress: Progress): Promise<void>;
  /** Things known to be left. */
  queue?(): number;
  /** Its first run comes at once and not after an interval. */
  readonly runsAtStart?: boolean;
  /** Rest for each unit of work while somebody uses the files. Default `PACE_BUSY`. */
  readonly restWhileBusy?: number;
  /** The end of every run is kept in the store, so that a new leader knows it. */
  readonly keepsHistory?: boolean;
}

/** What an operator may change. */
export interface WorkerSettings {
  readonly paused: boolean;
  /** Instead of the interval of the definition. */
  readonly intervalMs?: number;
  /** At most so many bytes a second. Absent: no bound. */
  readonly rateBytes?: number;
  /**
   * Time of rest for each unit of time of work: 0 never rests, 4 works a fifth of the time.
   * Absent: `PACE_QUIET` while nobody uses the files, `PACE_BUSY` while somebody does.
   */
  readonly tranquility?: number;
}

export const STANDARD_SETTINGS: WorkerSettings = { paused: false };
