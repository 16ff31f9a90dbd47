/** How much somebody of a peer has under way at a time. */
import { MeshError } from "@hearthmesh/core";

export class UnderWay {
  /** What is counted, in the words of an error: `calls of this member`. */
  readonly #what: string;
  readonly #counts = new Map<string, number>();

  constructor(what: string) {
    this.#what = what;
  }

  /** One more for this key. Returns how to leave again. `MESH_LIMIT` above `most`. */
  enter(key: string, most: number): () => void {
    const present = this.#counts.get(key) ?? 0;
    if (present >= most) {
      throw new MeshError("MESH_LIMIT", {
        message: `${present} ${this.#what} are under way already`,
        details: { limit: most },
      });
    }
    this.#counts.set(key, present + 1);
    return () => {
      const left = (this.#counts.get(key) ?? 1) - 1;
      if (left > 0) this.#counts.set(key, left);
      else this.#counts.delete(key);
    };
  }
}
