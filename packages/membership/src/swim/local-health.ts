/**
 * How far this node should mistrust itself (Lifeguard, "Local Health Multiplier"): 0 is well. Who
 * misses answers that should have come, has to refute a suspicion, or wakes late, waits longer
 * before it accuses others.
 */
export class LocalHealth {
  readonly #max: number;
  #score = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get score(): number {
    return this.#score;
  }

  /** What the times of probes are multiplied with. */
  get factor(): number {
    return this.#score + 1;
  }

  change(by: number): void {
    this.#score = Math.min(this.#max, Math.max(0, this.#score + by));
  }
}
