/**
 * Reasons for which nothing is deleted for now: while there is one, the garbage collector and the
 * trash wait. A reason is held until its holder releases it, or is asked for each time.
 */
export class GarbageHold {
  readonly #held = new Map<symbol, string>();
  readonly #checks: (() => string | undefined)[] = [];

  /** Nothing is deleted until the answer is called, which may happen twice. */
  hold(reason: string): () => void {
    const mark = Symbol(reason);
    this.#held.set(mark, reason);
    return () => {
      this.#held.delete(mark);
    };
  }

  /** Asked before each batch of deletions: a reason, or undefined when there is none. */
  addCheck(check: () => string | undefined): void {
    this.#checks.push(check);
  }

  /** All reasons of the moment. */
  reasons(): readonly string[] {
    const checked = this.#checks.flatMap((check) => check() ?? []);
    return [...this.#held.values(), ...checked];
  }

  get isHeld(): boolean {
    return this.reasons().length > 0;
  }
}
