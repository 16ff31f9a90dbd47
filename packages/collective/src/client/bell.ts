/** Wakes whoever waits for a change of state. A waiter looks at the state again and waits anew. */
import type { Clock } from "@hearthmesh/core";

export class Bell {
  #waiters: (() => void)[] = [];

  ring(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  /** Resolves at the next ring. */
  wait(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** True at the next ring, false when `timeoutMs` passes before. */
  waitFor(clock: Clock, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const wake = () => {
        timer.cancel();
        resolve(true);
      };
      const timer = clock.setTimeout(() => {
        this.#waiters = this.#waiters.filter((one) => one !== wake);
        resolve(false);
      }, timeoutMs);
      this.#waiters.push(wake);
    });
  }
}
