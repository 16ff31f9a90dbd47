/**
 * How many links the people and machines of one peer may have to this node. Its CA makes as many
 * keys as it likes; without a bound they could take all places, and keep this member's own out.
 */
import { limits, MeshError, type TrustDomain } from "@hearthmesh/core";
import { isForeign } from "@hearthmesh/identity";
import type { Link } from "@hearthmesh/qwormhole";
import { principalOf } from "../method-router.js";

export class LinkPlaces {
  readonly #taken = new Map<TrustDomain, number>();

  /** False for a link that has no place; it is ended then. */
  take(link: Link): boolean {
    const principal = principalOf(link.peer);
    if (!isForeign(principal)) return true;
    const { trustDomain } = principal;
    const taken = this.#taken.get(trustDomain) ?? 0;
    if (taken >= limits.LINKS_OF_MEMBER_MAX) {
      link.destroy(new MeshError("MESH_LIMIT", { message: `${trustDomain} has ${taken} links` }));
      return false;
    }
    this.#taken.set(trustDomain, taken + 1);
    void link.closed.then(() => this.#leave(trustDomain));
    return true;
  }

  #leave(trustDomain: TrustDomain): void {
    const left = (this.#taken.get(trustDomain) ?? 1) - 1;
    if (left > 0) this.#taken.set(trustDomain, left);
    else this.#taken.delete(trustDomain);
  }
}
