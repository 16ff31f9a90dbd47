/** Counts the requests under way at one door, and refuses more than its limit. */
import { MeshError } from "@hearthmesh/core";

export class InFlight {
  readonly #max: number;
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get count(): number {
    return this.#count;
  }

  /** Takes a place; call the answer once to give it back. `MESH_LIMIT` when there is none. */
  enter(): () => void {
    if (this.#count >= this.#max) {
      throw new MeshError("MESH_LIMIT", {
        message: `${this.#max} requests are under way already`,
        details: { retryAfterMs: 1_000 },
      });
    }
    this.#count++;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#count--;
    };
  }
}
