/**
 * The agreements of all pools that this node knows, and what it says of itself in each. No network
 * and no disk: those are around it (`pool-part.ts`).
 */
import { limits, type NodeId } from "@hearthmesh/core";
import type { PoolRoster } from "@hearthmesh/identity";
import {
  type AgreementDigest,
  type AgreementNews,
  RingAgreement,
  type StatementSigner,
  signMemberStatement,
} from "@hearthmesh/pool/membership";

export interface PoolBookOptions {
  readonly self: NodeId;
  /** Of the member's CA, as text: the root of all its pools. */
  readonly root: string;
  readonly signer: StatementSigner;
  /** Holds the authority's records: it knows every pool, also those that it is not in. */
  readonly isAuthority: boolean;
}

/** Who asks, as its certificate says. */
export interface PoolCaller {
  readonly nodeId: NodeId;
  readonly isCoordinator: boolean;
}

export interface OwnWord {
  readonly capacity: number;
  readonly endpoints: readonly string[];
}

export class PoolBook {
  readonly #options: PoolBookOptions;
  readonly #agreements = new Map<string, RingAgreement>();

  constructor(options: PoolBookOptions) {
    this.#options = options;
  }

  get(poolId: string): RingAgreement | undefined {
    return this.#agreements.get(poolId);
  }

  /** With a roster, the oldest pool first. */
  all(): RingAgreement[] {
    const known = [...this.#agreements.values()].filter(({ roster }) => roster !== undefined);
    const age = ({ roster }: RingAgreement) => roster?.createdAtMs ?? 0;
    return known.sort((a, b) => age(a) - age(b) || (a.poolId < b.poolId ? -1 : 1));
  }

  /** Pools in whose ring this node is. */
  own(): RingAgreement[] {
    return this.all().filter((one) => one.isMember(this.#options.self));
  }

  /** In a pool with this node, or the authority behind it. */
  isPartner(caller: PoolCaller): boolean {
    if (caller.isCoordinator) return true;
    return this.all().some((one) => one.isMember(caller.nodeId) || one.isRemoved(caller.nodeId));
  }

  /** True when something was news. Never throws. */
  offerRoster(value: unknown): boolean {
    const { poolId } = (value ?? {}) as Partial<PoolRoster>;
    if (typeof poolId !== "string") return false;
    const known = this.#agreements.get(poolId);
    if (known !== undefined) return known.offerRoster(value) === "taken";
    if (this.#agreements.size >= limits.POOLS_MAX) return false;
    const agreement = new RingAgreement(poolId, this.#options.root);
    if (agreement.offerRoster(value) !== "taken") return false;
    const { self, isAuthority } = this.#options;
    if (!isAuthority && !agreement.isMember(self) && !agreement.isRemoved(self)) return false;
    this.#agreements.set(poolId, agreement);
    return true;
  }

  offerStatement(poolId: string, value: unknown): void {
    this.#agreements.get(poolId)?.offerStatement(value);
  }

  /** Says anew, with this node's signature, whatever the others do not know yet. */
  say({ capacity, endpoints }: OwnWord): boolean {
    const { self, signer } = this.#options;
    let isNew = false;
    for (const agreement of this.own()) {
      const said = agreement.statementOf(self);
      const isSameShare = (said?.capacity ?? 1) === capacity;
      const isSamePlace = said?.endpoints.join() === endpoints.join();
      if (said !== undefined && isSameShare && isSamePlace) continue;
      const content = {
        poolId: agreement.poolId,
        sequence: (said?.sequence ?? 0) + 1,
        capacity,
        capacityChanges: (said?.capacityChanges ?? 0) + (isSameShare ? 0 : 1),
        endpoints,
      };
      agreement.offerStatement(signMemberStatement(content, signer));
      isNew = true;
    }
    return isNew;
  }

  /** What this node holds, as far as it is the other's business. */
  digestsFor(caller: PoolCaller): AgreementDigest[] {
    return this.#sharedWith(caller).map(({ agreement }) => agreement.digest());
  }

  newsFor(caller: PoolCaller, theirs: readonly AgreementDigest[]): AgreementNews[] {
    const byId = new Map(theirs.map((one) => [one.poolId, one]));
    return this.#sharedWith(caller).flatMap(
      ({ agreement, isInside }) => agreement.newsFor(byId.get(agreement.poolId), isInside) ?? [],
    );
  }

  /**
   * Ids of the pools that became other ones. Anybody of the member may bring a roster, which the
   * root signed; statements are looked at from partners alone, and count when they are of members.
   * Who sends something forged is not read further.
   */
  take(news: readonly AgreementNews[], caller: PoolCaller): string[] {
    const changed = new Set<string>();
    for (const { poolId, roster, statements } of news) {
      if (roster?.poolId === poolId && this.offerRoster(roster)) changed.add(poolId);
      const agreement = this.#agreements.get(poolId);
      if (agreement === undefined || !this.isPartner(caller)) continue;
      for (const statement of statements.slice(0, STATEMENTS_TAKEN_MAX)) {
        const offered = agreement.offerStatement(statement);
        if (offered === "taken" && agreement.isMember(statement.nodeId)) changed.add(poolId);
        if (offered === "refused") break;
      }
    }
    return [...changed];
  }

  /** Members see all of their pool; one that was removed only that it was. */
  #sharedWith({ nodeId, isCoordinator }: PoolCaller) {
    return this.all().flatMap((agreement) => {
      const isInside = isCoordinator || agreement.isMember(nodeId);
      return isInside || agreement.isRemoved(nodeId) ? [{ agreement, isInside }] : [];
    });
  }
}

/** Of one pool in one message. */
const STATEMENTS_TAKEN_MAX = 128;
