/**
 * One deadline for each of many: all have the same time, so that they come due in the order in
 * which they were added, and one timer is enough for them all. A timer of its own for each request
 * would cost more than reading the request.
 */
import type { Clock, Timer } from "@hearthmesh/core";

export interface Deadlined {
  /** The time is over; it is no longer in the queue. */
  onDeadline(): void;
}

export class DeadlineQueue {
  readonly #clock: Pick<Clock, "monotonicMs" | "setTimeout">;
  /** In the order in which they come due, with the time of each, monotonic. */
  readonly #dueMs = new Map<Deadlined, number>();
  #timer: Timer | undefined;

  constructor(
    clock: Pick<Clock, "monotonicMs" | "setTimeout">,
    readonly delayMs: number,
  ) {
    this.#clock = clock;
  }

  add(one: Deadlined): void {
    this.#dueMs.delete(one);
    this.#dueMs.set(one, this.#clock.monotonicMs() + this.delayMs);
    this.#timer ??= this.#clock.setTimeout(() => this.#onTimer(), this.delayMs);
  }

  /** Of one that is not there, too. */
  remove(one: Deadlined): void {
    this.#dueMs.delete(one);
  }

  #onTimer(): void {
    this.#timer = undefined;
    const nowMs = this.#clock.monotonicMs();
    for (const [one, dueMs] of this.#dueMs) {
      if (dueMs > nowMs) {
        this.#timer ??= this.#clock.setTimeout(() => this.#onTimer(), dueMs - nowMs);
        return;
      }
      this.#dueMs.delete(one);
      one.onDeadline();
    }
  }
}
