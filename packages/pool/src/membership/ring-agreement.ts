/**
 * How the members of a pool come to the same ring without asking anybody: a state-based machine
 * whose parts only grow, so that everybody who heard the same things holds the same, in whatever
 * order and however often they came (a join semilattice).
 *
 * Parts: the roster, signed by the pool's root key, of which the highest version counts; and one
 * statement for each member, signed by that member's key, of which the highest sequence counts. Of
 * two different ones with the same number (which an honest signer never makes) the greater text
 * counts, so that even then all agree.
 *
 * Invariants: nothing is held that its signer did not sign for this pool; nobody is in the ring
 * whom the newest roster that was heard does not name; a version, sequence or epoch never falls;
 * memory is bounded by `POOL_MEMBERS_MAX` and `STRANGERS_KEPT_MAX` statements.
 *
 * Error contract: `offer*` never throws, whatever the value is; it answers what became of it. What
 * is not newer is dropped before its signature is looked at, so that repeating costs nothing.
 */
import { createHash } from "node:crypto";
import { canonicalJson, type NodeId } from "@hearthmesh/core";
import { type PoolRoster, verifyPoolRoster } from "@hearthmesh/identity";
import { STRANGERS_KEPT_MAX } from "./limits.js";
import {
  isMemberStatement,
  type MemberStatement,
  statementContent,
  verifyMemberStatement,
} from "./member-statement.js";

/** `taken`: it is news. `known`: not newer. `refused`: malformed, of another pool, or forged. */
export type Offered = "taken" | "known" | "refused";

/** What a node holds, in short: by it another sees what is missing here. */
export interface AgreementDigest {
  readonly poolId: string;
  /** 0: none. */
  readonly version: number;
  readonly rosterHash: string;
  /** By node id: sequence and hash. */
  readonly statements: Readonly<Record<string, readonly [sequence: number, hash: string]>>;
}

/** What one node has and another lacks. */
export interface AgreementNews {
  readonly poolId: string;
  readonly roster?: PoolRoster | undefined;
  readonly statements: readonly MemberStatement[];
}

interface HeldStatement {
  readonly statement: MemberStatement;
  readonly content: string;
  readonly hash: string;
}

export class RingAgreement {
  readonly poolId: string;
  readonly #root: string;
  #roster:
    | { readonly roster: PoolRoster; readonly content: string; readonly hash: string }
    | undefined;
  /** Of members, and of a few strangers; of these the one that came first goes first. */
  readonly #statements = new Map<NodeId, HeldStatement>();

  constructor(poolId: string, root: string) {
    this.poolId = poolId;
    this.#root = root;
  }

  get root(): string {
    return this.#root;
  }

  get roster(): PoolRoster | undefined {
    return this.#roster?.roster;
  }

  statementOf(nodeId: NodeId): MemberStatement | undefined {
    return this.#statements.get(nodeId)?.statement;
  }

  isMember(nodeId: NodeId): boolean {
    return this.roster?.members.some((one) => one.nodeId === nodeId) === true;
  }

  /** It was a member, and the newest roster says that it is none any more. */
  isRemoved(nodeId: NodeId): boolean {
    return this.roster?.removed.includes(nodeId) === true;
  }

  offerRoster(value: unknown): Offered {
    const claim = (value ?? {}) as Partial<PoolRoster>;
    if (claim.poolId !== this.poolId) return "refused";
    const held = this.#roster;
    const heldVersion = held?.roster.version ?? 0;
    if (typeof claim.version === "number" && claim.version < heldVersion) return "known";
    try {
      const content = contentOf(claim);
      if (content === held?.content) return "known";
      const roster = verifyPoolRoster(value, this.#root);
      if (roster.version === heldVersion && content < (held?.content ?? "")) return "known";
      this.#roster = { roster, content, hash: hashOf(content) };
      this.#forgetStrangers();
      return "taken";
    } catch {
      return "refused";
    }
  }

  offerStatement(value: unknown): Offered {
    if (!isMemberStatement(value) || value.poolId !== this.poolId) return "refused";
    const held = this.#statements.get(value.nodeId);
    if (held !== undefined && value.sequence < held.statement.sequence) return "known";
    const content = statementContent(value);
    if (held !== undefined && value.sequence === held.statement.sequence) {
      if (content <= held.content) return "known";
    }
    try {
      verifyMemberStatement(value);
    } catch {
      return "refused";
    }
    this.#statements.delete(value.nodeId);
    this.#statements.set(value.nodeId, { statement: value, content, hash: hashOf(content) });
    this.#forgetStrangers();
    return "taken";
  }

  digest(): AgreementDigest {
    const statements: Record<string, readonly [number, string]> = {};
    for (const [nodeId, { statement, hash }] of this.#statements) {
      if (this.isMember(nodeId)) statements[nodeId] = [statement.sequence, hash];
    }
    const version = this.roster?.version ?? 0;
    return { poolId: this.poolId, version, rosterHash: this.#roster?.hash ?? "", statements };
  }

  /**
   * What is here and is not in the digest. `withStatements` is false for one that is no member: it
   * may hear that it was removed, and nothing about the others. Undefined when there is nothing.
   */
  newsFor(digest: AgreementDigest | undefined, withStatements = true): AgreementNews | undefined {
    const held = this.#roster;
    const theirs = digest?.version ?? 0;
    const isNewer =
      held !== undefined &&
      (held.roster.version > theirs ||
        (held.roster.version === theirs && held.hash !== digest?.rosterHash));
    const roster = isNewer ? held.roster : undefined;
    const statements = withStatements ? this.#statementsBeyond(digest) : [];
    if (roster === undefined && statements.length === 0) return undefined;
    return { poolId: this.poolId, roster, statements };
  }

  #statementsBeyond(digest: AgreementDigest | undefined): MemberStatement[] {
    const known = new Map(Object.entries(digest?.statements ?? {}));
    return [...this.#statements].flatMap(([nodeId, { statement, hash }]) => {
      if (!this.isMember(nodeId)) return [];
      const [sequence = 0, theirHash = ""] = known.get(nodeId) ?? [];
      const isNews =
        statement.sequence > sequence || (statement.sequence === sequence && hash !== theirHash);
      return isNews ? [statement] : [];
    });
  }

  #forgetStrangers(): void {
    const strangers = [...this.#statements.keys()].filter((nodeId) => !this.isMember(nodeId));
    for (const nodeId of strangers.slice(0, Math.max(0, strangers.length - STRANGERS_KEPT_MAX))) {
      this.#statements.delete(nodeId);
    }
  }
}

function contentOf({ signature: _signature, ...rest }: Partial<PoolRoster>): string {
  return canonicalJson(rest);
}

/** Long enough to tell apart what one signer made. */
function hashOf(content: string): string {
  return createHash("sha256").update(content).digest("hex").slice(0, 16);
}

/** Of a digest that somebody sent; undefined when it is not of the form. */
export function readDigest(value: unknown): AgreementDigest | undefined {
  const digest = (value ?? {}) as Partial<AgreementDigest>;
  const { poolId, version, rosterHash, statements } = digest;
  const isGood =
    typeof poolId === "string" &&
    Number.isSafeInteger(version) &&
    typeof rosterHash === "string" &&
    statements !== null &&
    typeof statements === "object" &&
    Object.values(statements).every(
      (one) => Array.isArray(one) && typeof one[0] === "number" && typeof one[1] === "string",
    );
  return isGood ? (digest as AgreementDigest) : undefined;
}
