/** Which counters of one sender were seen (the anti-replay window of RFC 4303, 3.4.3). */
import { REPLAY_WINDOW_COUNTERS } from "./limits.js";

const WORD_BITS = 32;
const WORDS = REPLAY_WINDOW_COUNTERS / WORD_BITS;

export class ReplayWindow {
  /** A ring: the bit of a counter is at its remainder. */
  readonly #seen = new Uint32Array(WORDS);
  #highest = -1;

  /** False for one that was seen, or is too old to tell. */
  isNew(counter: number): boolean {
    if (counter > this.#highest) return true;
    if (counter <= this.#highest - REPLAY_WINDOW_COUNTERS) return false;
    const [word, bit] = placeOf(counter);
    return ((this.#seen[word] ?? 0) & bit) === 0;
  }

  /** Only after the datagram was found authentic. */
  add(counter: number): void {
    if (counter > this.#highest) {
      const from = Math.max(this.#highest + 1, counter - REPLAY_WINDOW_COUNTERS + 1);
      for (let at = from; at <= counter; at++) this.#clear(at);
      this.#highest = counter;
    }
    const [word, bit] = placeOf(counter);
    this.#seen[word] = ((this.#seen[word] ?? 0) | bit) >>> 0;
  }

  #clear(counter: number): void {
    const [word, bit] = placeOf(counter);
    this.#seen[word] = ((this.#seen[word] ?? 0) & ~bit) >>> 0;
  }
}

function placeOf(counter: number): [word: number, bit: number] {
  const at = counter % REPLAY_WINDOW_COUNTERS;
  return [Math.floor(at / WORD_BITS), (1 << (at % WORD_BITS)) >>> 0];
}
