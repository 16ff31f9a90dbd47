/** Whether people and programs use the files now: background work then leaves them the room. */
import type { Clock } from "@hearthmesh/core";

/** Methods that move content; a page of status or a listing is no reason to slow down. */
const MOVES_CONTENT: ReadonlySet<string> = new Set([
  "file.put",
  "file.open",
  "file.begin",
  "file.ticket",
  "file.segment",
  "file.commit",
]);
/** A large file at full speed asks about once a second. */
const BUSY_FOR_MS = 3_000;

export class Activity {
  readonly #clock: Clock;
  #lastMs = Number.NEGATIVE_INFINITY;
  /** Background work is to leave more room than activity alone asks for: the machine is loaded. */
  isRestrained = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  note(method: string): void {
    if (MOVES_CONTENT.has(method)) this.#lastMs = this.#clock.monotonicMs();
  }

  get isBusy(): boolean {
    return this.isRestrained || this.#clock.monotonicMs() - this.#lastMs < BUSY_FOR_MS;
  }
}
