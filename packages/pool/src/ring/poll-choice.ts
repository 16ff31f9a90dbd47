/**
 * Whether a member that waits for the others looks for their parts without sleeping. On a machine
 * with nothing else to do that saves the time of waking up, which is as long as the exchange itself
 * (measured: 10 to 15 % of a token). On a busy one it takes the processor away from those that are
 * waited for (measured: half the speed). So it is tried: some exchanges without, as many with, and
 * the better way for a good while; then again.
 *
 * All members count the same exchanges, so they try at the same time and do not mislead each other.
 */
import { POLL_KEPT_EXCHANGES, POLL_TRIAL_EXCHANGES } from "./limits.js";

/** It costs power: without a gain of this part it is left. */
const GAIN_LEAST = 0.03;

export class PollChoice {
  #phase: "without" | "with" | "kept" = "kept";
  /** At first nothing is known, and code that is new runs slowly. */
  #left = POLL_TRIAL_EXCHANGES;
  #isBetter = false;
  #sumMs = 0;
  #withoutMs = 0;

  get mayPoll(): boolean {
    return this.#phase === "with" || (this.#phase === "kept" && this.#isBetter);
  }

  /** An exchange of one row is done; computing its part and waiting took so long together. */
  onExchange(tookMs: number): void {
    this.#sumMs += tookMs;
    this.#left--;
    if (this.#left > 0) return;
    if (this.#phase === "kept") this.#begin("without", POLL_TRIAL_EXCHANGES);
    else if (this.#phase === "without") {
      this.#withoutMs = this.#sumMs;
      this.#begin("with", POLL_TRIAL_EXCHANGES);
    } else {
      this.#isBetter = this.#sumMs < this.#withoutMs * (1 - GAIN_LEAST);
      this.#begin("kept", POLL_KEPT_EXCHANGES);
    }
  }

  #begin(phase: "without" | "with" | "kept", exchanges: number): void {
    this.#phase = phase;
    this.#left = exchanges;
    this.#sumMs = 0;
  }
}
