/** A process that the node keeps running, as whoever watches over it sees it. */

/**
 * - `stopped`: nobody wants it to run.
 * - `starting`: it was started, or waits to be started again, and does not answer yet.
 * - `running`: it answers.
 * - `silent`: it runs, and does not answer.
 * - `failing`: it ended several times in a row, soon after each start.
 */
export type ProcessState = "stopped" | "starting" | "running" | "silent" | "failing";

export interface SupervisedProcess {
  /** Unique on a node, such as `etcd` or `yggdrasil`. */
  readonly name: string;
  /** How long it may take from a start until it answers, where that is more than a moment. */
  readonly startMs?: number;
  state(): ProcessState;
  /** One sentence for people: since when, how often it ended, its own last words. */
  describe(): string;
  /**
   * Ends it and starts it anew, at once and whatever pause was planned. Resolves when it was
   * started; `state` says later whether it answers. Does nothing while it is `stopped`.
   */
  restart(): Promise<void>;
  /** Called when the state may be another; answers how to stop listening. */
  onChange?(listener: () => void): () => void;
}

/** Processes of which there are more or fewer in the course of time. */
export interface SupervisedProcesses {
  list(): readonly SupervisedProcess[];
  /** Called when one came or went, or its state may be another. */
  onChange(listener: () => void): () => void;
}
