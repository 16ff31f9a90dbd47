/** Counts the watches and waiting requests of this coordinator, in all and by caller. */
import { MeshError } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import { KV_WATCHES_MAX, KV_WATCHES_PER_OWNER_MAX } from "./limits.js";

export class WatchPlaces {
  readonly #max: number;
  readonly #perOwnerMax: number;
  readonly #byOwner = new Map<string, number>();
  #count = 0;

  constructor(max = KV_WATCHES_MAX, perOwnerMax = KV_WATCHES_PER_OWNER_MAX) {
    this.#max = max;
    this.#perOwnerMax = perOwnerMax;
  }

  get count(): number {
    return this.#count;
  }

  /** Call the answer to give the place back. `MESH_LIMIT`. */
  enter({ nodeId }: Principal): () => void {
    const own = this.#byOwner.get(nodeId) ?? 0;
    if (own >= this.#perOwnerMax || this.#count >= this.#max) {
      const [who, limit] =
        own >= this.#perOwnerMax ? ["you have", this.#perOwnerMax] : ["there are", this.#max];
      throw new MeshError("MESH_LIMIT", {
        message: `${who} ${limit} watches and waiting requests open here already`,
        hint: "Watch a prefix instead of many keys, or end watches that nobody reads.",
        details: { limit, retryAfterMs: 1_000 },
      });
    }
    this.#byOwner.set(nodeId, own + 1);
    this.#count++;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#count--;
      const rest = (this.#byOwner.get(nodeId) ?? 1) - 1;
      if (rest > 0) this.#byOwner.set(nodeId, rest);
      else this.#byOwner.delete(nodeId);
    };
  }
}
