/**
 * Merged grants of those who asked lately: a listing asks for every entry. An entry is good until
 * the book changes, the identity's own record changes, or a grant in it ends.
 */
import { type Clock, limits } from "@hearthmesh/core";
import type { Grant, IdentityRecord, Principal } from "@hearthmesh/identity";
import { type HeldGrant, type MergedGrants, mergeHeld } from "./grant-merge.js";

interface Cached extends MergedGrants {
  readonly spiffeId: string;
  readonly identity: IdentityRecord | undefined;
}

export class GrantCache {
  readonly #clock: Clock;
  readonly #byKey = new Map<string, Cached>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get(
    { nodeId, spiffeId }: Principal,
    identity: IdentityRecord | undefined,
    held: () => readonly HeldGrant[],
  ): readonly Grant[] {
    const nowMs = this.#clock.nowMs();
    const known = this.#byKey.get(nodeId);
    // The same key may have certificates of two members: two principals.
    const isGood =
      known !== undefined && known.spiffeId === spiffeId && known.identity === identity;
    if (isGood && nowMs <= known.validUntilMs) return known.grants;
    const cached = { ...mergeHeld(held(), nowMs), spiffeId, identity };
    this.#byKey.delete(nodeId);
    this.#byKey.set(nodeId, cached);
    if (this.#byKey.size > limits.GRANTS_CACHED_MAX) {
      const oldest = this.#byKey.keys().next();
      if (!oldest.done) this.#byKey.delete(oldest.value);
    }
    return cached.grants;
  }

  clear(): void {
    this.#byKey.clear();
  }
}
