/** Tells everybody who must know that somebody may do more, or less, than a moment ago. */
import type { Principal } from "@hearthmesh/identity";

export interface AccessChange {
  /** False for those whose rights are as before; true may be said of too many, never of too few. */
  concerns(principal: Principal): boolean;
}

export type AccessListener = (change: AccessChange) => void;

export class AccessNews {
  readonly #listeners = new Set<AccessListener>();

  onChange(listener: AccessListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A listener that throws keeps the news from nobody else; the first error comes at the end. */
  tell(change: AccessChange): void {
    const failures: unknown[] = [];
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
