/**
 * Reasons for which nothing is deleted for now: while there is one, the garbage collector and the
 * trash wait. Whoever may have such a reason is asked each time.
 */
export class GarbageHold {
  readonly #checks: (() => string | undefined)[] = [];

  /** Asked before each batch of deletions: a reason, or undefined when there is none. */
  addCheck(check: () => string | undefined): void {
    this.#checks.push(check);
  }

  /** All reasons of the moment. */
  reasons(): readonly string[] {
    return this.#checks.flatMap((check) => check() ?? []);
  }

  get isHeld(): boolean {
    return this.reasons().length > 0;
  }
}
