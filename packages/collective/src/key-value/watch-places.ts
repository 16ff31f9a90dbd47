/** Counts the watches and waiting requests of this coordinator, in all and by caller. */
import { MeshError } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import { KV_WATCHES_MAX, KV_WATCHES_PER_OWNER_MAX } from "./limits.js";

export class WatchPlaces {
  readonly #max: number;
  readonly #perOwnerMax: number;
  readonly #byOwner = new Map<string, number>();
  readonly #ends = new Set<() => void>();
  #stopped = false;

  constructor(max = KV_WATCHES_MAX, perOwnerMax = KV_WATCHES_PER_OWNER_MAX) {
    this.#max = max;
    this.#perOwnerMax = perOwnerMax;
  }

  get count(): number {
    return this.#ends.size;
  }

  /** Ends everything that has a place, and lets nobody in any more. */
  stop(): void {
    this.#stopped = true;
    for (const end of [...this.#ends]) end();
  }

  /** Call the answer to give the place back; `end` is called at `stop`. `MESH_LIMIT`. */
  enter({ nodeId }: Principal, end: () => void): () => void {
    if (this.#stopped) throw new MeshError("MESH_STOPPING");
    const own = this.#byOwner.get(nodeId) ?? 0;
    if (own >= this.#perOwnerMax || this.count >= this.#max) {
      const [who, limit] =
        own >= this.#perOwnerMax ? ["you have", this.#perOwnerMax] : ["there are", this.#max];
      throw new MeshError("MESH_LIMIT", {
        message: `${who} ${limit} watches and waiting requests open here already`,
        hint: "Watch a prefix instead of many keys, or end watches that nobody reads.",
        details: { limit, retryAfterMs: 1_000 },
      });
    }
    this.#byOwner.set(nodeId, own + 1);
    // One of its own for each place, so that the same function may stand for several.
    const ending = () => end();
    this.#ends.add(ending);
    return () => {
      if (!this.#ends.delete(ending)) return;
      const rest = (this.#byOwner.get(nodeId) ?? 1) - 1;
      if (rest > 0) this.#byOwner.set(nodeId, rest);
      else this.#byOwner.delete(nodeId);
    };
  }
}
