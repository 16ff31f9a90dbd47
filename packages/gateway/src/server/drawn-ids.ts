/** Random identifiers, drawn many at once: one by one they cost a tenth of a small request. */
import type { Random } from "@hearthmesh/core";

const DRAWN_AT_ONCE = 64;

export class DrawnIds {
  readonly #random: Pick<Random, "bytes">;
  readonly #digits: number;
  #drawn = "";
  #next = 0;

  /** Each has `bytes` random bytes, and is twice as long. */
  constructor(random: Pick<Random, "bytes">, bytes: number) {
    this.#random = random;
    this.#digits = bytes * 2;
  }

  /** Hexadecimal digits that nobody else gets. */
  next(): string {
    if (this.#next === this.#drawn.length) {
      const bytes = this.#random.bytes((DRAWN_AT_ONCE * this.#digits) / 2);
      this.#drawn = Buffer.from(bytes).toString("hex");
      this.#next = 0;
    }
    this.#next += this.#digits;
    return this.#drawn.slice(this.#next - this.#digits, this.#next);
  }
}
