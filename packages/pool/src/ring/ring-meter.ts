/** What a ring costs: sums since the plan was loaded, and the last exchanges one by one. */
import {
  EXCHANGE_DEADLINE_COMPUTE_FACTOR,
  EXCHANGE_DEADLINE_FACTOR,
  EXCHANGE_DEADLINE_MS_FIRST,
  EXCHANGE_DEADLINE_MS_MIN,
  EXCHANGES_FIRST,
  EXCHANGES_REMEMBERED_MAX,
} from "./limits.js";

export class RingMeter {
  exchanges = 0;
  exchangeMs = 0;
  computeMs = 0;
  bytesSent = 0;
  bytesReceived = 0;
  readonly #decode = new LastValues(EXCHANGES_REMEMBERED_MAX);
  readonly #prefill = new LastValues(EXCHANGES_REMEMBERED_MAX);

  /** From the own part being sent to the sums being there. */
  onExchange(durationMs: number, rows: number): void {
    this.exchanges++;
    this.exchangeMs += durationMs;
    (rows === 1 ? this.#decode : this.#prefill).add(durationMs);
  }

  onCompute(durationMs: number): void {
    this.computeMs += durationMs;
  }

  /** Of the last exchanges of one row; of any when there was none. 0 before the first. */
  exchangeMsAt(fraction: number): number {
    return (this.#decode.size > 0 ? this.#decode : this.#prefill).percentile(fraction);
  }

  /** After this long without the others' parts, one is lost. `partMs` is what computing took. */
  deadlineMs(partMs: number, rows: number): number {
    const known = rows === 1 ? this.#decode : this.#prefill;
    const least =
      this.exchanges < EXCHANGES_FIRST ? EXCHANGE_DEADLINE_MS_FIRST : EXCHANGE_DEADLINE_MS_MIN;
    return Math.max(
      least,
      EXCHANGE_DEADLINE_FACTOR * known.percentile(0.99),
      EXCHANGE_DEADLINE_COMPUTE_FACTOR * partMs,
    );
  }
}

/** The last few numbers. */
class LastValues {
  readonly #values: Float64Array;
  #count = 0;

  constructor(capacity: number) {
    this.#values = new Float64Array(capacity);
  }

  get size(): number {
    return Math.min(this.#count, this.#values.length);
  }

  add(value: number): void {
    this.#values[this.#count % this.#values.length] = value;
    this.#count++;
  }

  /** Nearest rank; 0 when there is none. */
  percentile(fraction: number): number {
    const sorted = this.#values.slice(0, this.size).sort();
    return sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)] ?? 0;
  }
}
