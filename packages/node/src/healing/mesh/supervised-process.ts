/** A program that this node started and keeps running: etcd, the daemon of an overlay. */
import type { Verdict } from "@hearthmesh/healing";

export interface ProcessState {
  /** `ill` when it should run and does not, or does not answer; `unknown` while it starts. */
  readonly verdict: Verdict;
  /** One sentence for an incident: "etcd ended by SIGKILL 0.2 s ago, the 2nd time in a row". */
  readonly text: string;
  /** Undefined while it does not run. */
  readonly pid?: number | undefined;
  /** Ends in a row, each soon after a start. */
  readonly crashes?: number;
}

/** What the healer needs of whoever supervises a program. */
export interface SupervisedProcess {
  /** Unique on this node, for people and as the id of the subject: `etcd`, `yggdrasil`. */
  readonly name: string;
  state(): ProcessState;
  /**
   * Starts it now when it does not run, without waiting out a back-off; ends it first when it runs
   * and does not answer. Returns when it was started, with what was done in the past tense. Safe to
   * call twice. Rejects with why it cannot be started.
   */
  restart(signal: AbortSignal): Promise<string>;
  /** Called when the state may be another; answers how to stop listening. */
  onChange?(listener: () => void): () => void;
}
