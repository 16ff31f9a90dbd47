/**
 * Whether the answers of a ring became slow under one plan. What a ring can do is what it has done:
 * predictions are too rough for a verdict, and another plan has another pace. Pure.
 */
import { RING_SLOW_ANSWERS, RING_SLOW_PART } from "./limits.js";

export class RingPace {
  #answers = 0;
  #fastest = 0;
  #slowInARow = 0;
  #last = 0;

  /** Of one answer that had the ring for itself. */
  take(tokensPerSecond: number): void {
    if (!(tokensPerSecond > 0)) return;
    const isKnown = this.#answers >= RING_SLOW_ANSWERS;
    const isSlow = isKnown && tokensPerSecond < this.#fastest * RING_SLOW_PART;
    this.#slowInARow = isSlow ? this.#slowInARow + 1 : 0;
    this.#last = tokensPerSecond;
    this.#answers++;
    this.#fastest = Math.max(this.#fastest, tokensPerSecond);
  }

  get slowness(): string | undefined {
    if (this.#slowInARow < RING_SLOW_ANSWERS) return undefined;
    const [now, best] = [this.#last, this.#fastest].map((speed) => speed.toFixed(1));
    return `its last answers came with ${now} tokens/s, earlier ones with ${best}`;
  }
}
