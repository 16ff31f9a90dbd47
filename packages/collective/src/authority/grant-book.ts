/**
 * The book of grants: what somebody may do beyond what an invite said, for people of this member
 * and of its peers. Given and taken away by the operator; a person may pass on what the operator
 * gave to it, where it has the right to share, to one person by name, for a bounded time.
 *
 * What somebody holds is what its invite said and what the book says, merged (`grant-merge.ts`).
 * What was passed on, in an invite or in the book, counts only while its giver has it.
 */
import { MeshError, type NodeId, newInviteId } from "@hearthmesh/core";
import {
  formatGrant,
  type Grant,
  hasEnded,
  type Principal,
  type Right,
} from "@hearthmesh/identity";
import { AccessNews } from "./access-news.js";
import { type Actor, actorText } from "./api-keys.js";
import { GRANT_PREFIX } from "./authority-keys.js";
import type { AuthorityContext } from "./context.js";
import { GrantCache } from "./grant-cache.js";
import { decideHeld, type HeldDecision, type HeldGrant } from "./grant-merge.js";
import {
  checkBookGrant,
  checkBookRoom,
  type GrantRecord,
  type GrantRequest,
  longEnded,
} from "./grant-record.js";
import { EVERYBODY, indexKeyOf, indexKeysFor, parseSubject } from "./grant-subject.js";
import { grantTarget, type SubjectView } from "./grant-target.js";
import { type Decision, put, unchanged } from "./ledger.js";
import { boundSharedGrants } from "./sharing.js";

/** One grant of somebody, with where it is from. */
export interface KnownGrant extends HeldGrant {
  readonly origin: "invite" | "book";
  /** Of the book. */
  readonly record?: GrantRecord;
  /** Key of the person who passed it on. */
  readonly givenBy?: NodeId;
}

export class GrantBook {
  readonly news = new AccessNews();
  readonly #context: AuthorityContext;
  readonly #view: SubjectView;
  readonly #cache: GrantCache;
  /** By subject or key; made anew when the book has changed. */
  #index: Map<string, GrantRecord[]> | undefined;

  constructor(context: AuthorityContext, view: SubjectView) {
    this.#context = context;
    this.#view = view;
    this.#cache = new GrantCache(context.clock);
    const { records, cache } = context;
    records.onChange(GRANT_PREFIX, (_key, ...change) =>
      this.#changed(change as (GrantRecord | undefined)[]),
    );
    const depends = (nodeId: NodeId) =>
      this.changedFor((principal) => this.#dependsOn(principal, nodeId));
    cache.onRevoked(({ nodeId }) => depends(nodeId));
    cache.onGrantsChanged(depends);
  }

  /** Something outside the book has changed what these principals may do. */
  changedFor(concerns: (principal: Principal) => boolean): void {
    this.#cache.clear();
    this.news.tell({ concerns });
  }

  /** One plain list for `evaluateGrants`, as of now. Not for coordinators of this member. */
  of(principal: Principal): readonly Grant[] {
    return this.#cache.get(principal, this.#context.cache.get(principal.nodeId), () =>
      this.heldBy(principal),
    );
  }

  /** Whether a principal may do it now, and by what. */
  decide(principal: Principal, path: string, right: Right): HeldDecision<KnownGrant> {
    return decideHeld(this.heldBy(principal), path, right, this.#context.clock.nowMs());
  }

  /** Every grant of a principal, in no order. */
  heldBy(principal: Principal): KnownGrant[] {
    return [
      ...this.#invited(principal),
      ...this.#recordsFor(principal).map((record) => this.#asKnown(record)),
    ];
  }

  /** Whether a grant counts, and why not. */
  stateOf(record: GrantRecord): "open" | "ended" | "revoked" | "no-peer" {
    const { subject, nodeId, grant, createdAtMs } = record;
    if (hasEnded(grant, this.#context.clock.nowMs())) return "ended";
    if (nodeId !== undefined) return this.#context.cache.isRevoked(nodeId) ? "revoked" : "open";
    const { domain } = parseSubject(subject);
    if (subject === EVERYBODY || domain === this.#view.trustDomain) return "open";
    const sinceMs = this.#view.peerSinceMs(domain);
    return sinceMs !== undefined && createdAtMs >= sinceMs ? "open" : "no-peer";
  }

  /** Grants that do not count because they were made for an earlier peer of the same domain. */
  earlierFor(principal: Principal): KnownGrant[] {
    return this.#found(principal)
      .filter((one) => one.subject !== EVERYBODY && !this.#isOfPresent(one, principal))
      .map((record) => this.#asKnown(record));
  }

  /** By path, then subject; for a person, those that it gave and those for itself. */
  list(by?: Principal): GrantRecord[] {
    const all = this.#all().sort(
      (a, b) =>
        order(a.grant.path, b.grant.path) || order(a.subject, b.subject) || order(a.id, b.id),
    );
    if (by === undefined || by.kind === "coordinator") return all;
    const own = new Set(indexKeysFor(by));
    return all.filter((record) => mayTake(record, by) || own.has(indexKeyOf(record)));
  }

  /**
   * Gives a grant. `MESH_NOT_FOUND`, `MESH_PEER_UNKNOWN`, `MESH_BAD_REQUEST`, `MESH_FORBIDDEN`,
   * `MESH_LIMIT`. The same grant for the same subject again changes nothing.
   */
  async give(by: Actor, request: GrantRequest): Promise<GrantRecord> {
    const { ledger, clock, random, log } = this.#context;
    const made = await ledger.change(async (): Promise<Decision<GrantRecord>> => {
      const nowMs = clock.nowMs();
      const { subject, nodeId } = grantTarget(this.#view, request.subject);
      const checked = checkBookGrant(request.grant, nowMs);
      const { grant, givenBy } = this.#allowedFrom(by.principal, subject, checked, nowMs);
      const record: GrantRecord = {
        v: 1,
        id: newInviteId(random),
        subject,
        ...(nodeId === undefined ? {} : { nodeId }),
        grant,
        createdBy: actorText(by),
        ...(givenBy === undefined ? {} : { givenBy }),
        createdAtMs: nowMs,
      };
      const kept = this.#all();
      const same = kept.find((one) => this.#isSame(one, record));
      if (same !== undefined) return { result: same };
      const over = longEnded(kept, nowMs);
      checkBookRoom(
        kept.filter((one) => !over.includes(one)),
        record,
      );
      const key = GRANT_PREFIX + record.id;
      const forgotten = over.map(({ id }) => ({ type: "delete" as const, key: GRANT_PREFIX + id }));
      return {
        result: record,
        change: {
          compare: [{ key, target: "version", is: "=", value: 0 }],
          operations: [put(key, record), ...forgotten],
          audit: { by: record.createdBy, action: "grant.add", ...auditOf(record) },
        },
      };
    });
    log.info("gave a grant", { principal: made.subject, path: made.grant.path });
    return made;
  }

  /** Takes a grant away. `MESH_GRANT_UNKNOWN`, also for one that somebody else gave. */
  async take(by: Actor, id: string): Promise<GrantRecord> {
    const { ledger, log } = this.#context;
    const key = GRANT_PREFIX + (/^[a-z2-7]{10}$/.test(id) ? id : "unknown");
    const taken = await ledger.change(async (): Promise<Decision<GrantRecord>> => {
      const read = await ledger.read<GrantRecord>(key);
      const { record } = read;
      if (record === undefined || !mayTake(record, by.principal)) {
        throw new MeshError("MESH_GRANT_UNKNOWN", {
          message: `there is no grant ${JSON.stringify(id.slice(0, 40))} that you gave`,
        });
      }
      return {
        result: record,
        change: {
          compare: [unchanged(key, read)],
          operations: [{ type: "delete", key }],
          audit: { by: actorText(by), action: "grant.remove", ...auditOf(record) },
        },
      };
    });
    log.info("took a grant away", { principal: taken.subject, path: taken.grant.path });
    return taken;
  }

  /** What a person may pass on: what the operator gave to it. */
  directlyHeldBy(nodeId: NodeId): readonly Grant[] {
    const { cache, trustDomain } = this.#context;
    const identity = cache.get(nodeId);
    if (identity?.kind !== "person" || cache.isRevoked(nodeId)) return [];
    const { spiffeId, name, serial } = identity;
    const notAfterMs = identity.certificateNotAfterMs;
    const principal = { kind: "person", spiffeId, trustDomain, name, nodeId, serial, notAfterMs };
    const given = this.#recordsFor(principal as Principal).filter(
      (one) => one.givenBy === undefined,
    );
    const invited = identity.invitedBy === undefined ? identity.grants : [];
    return [...invited, ...given.map(({ grant }) => grant)];
  }

  #invited(principal: Principal): KnownGrant[] {
    const identity =
      principal.kind === "foreign" ? undefined : this.#context.cache.get(principal.nodeId);
    if (identity === undefined) return [];
    const { grants, invitedBy, passedOn } = identity;
    const own = invitedBy === undefined ? grants.map(direct) : this.#passedOn(invitedBy, grants);
    return passedOn === undefined ? own : [...own, ...this.#passedOn(passedOn.by, passedOn.grants)];
  }

  #passedOn(givenBy: NodeId, grants: readonly Grant[]): KnownGrant[] {
    const giverHas = this.directlyHeldBy(givenBy);
    return grants.map((grant) => ({ grant, origin: "invite", givenBy, giverHas }));
  }

  #asKnown(record: GrantRecord): KnownGrant {
    const { grant, givenBy } = record;
    const known = { grant, origin: "book" as const, record };
    if (givenBy === undefined) return known;
    return { ...known, givenBy, giverHas: this.directlyHeldBy(givenBy) };
  }

  /** What `by` may say. `MESH_FORBIDDEN`. */
  #allowedFrom(
    { kind, nodeId, name }: Principal,
    subject: string,
    grant: Grant,
    nowMs: number,
  ): { grant: Grant; givenBy?: NodeId } {
    if (kind === "coordinator") return { grant };
    const byName = parseSubject(subject).kind === "person";
    if (kind !== "person" || !byName || grant.effect === "deny") {
      throw new MeshError("MESH_FORBIDDEN", {
        message: `${name} may not give this grant`,
        hint: "A person passes rights on to one person by name; the rest is the operator's.",
      });
    }
    const [bounded = grant] = boundSharedGrants(this.directlyHeldBy(nodeId), [grant], nowMs);
    return { grant: bounded, givenBy: nodeId };
  }

  #recordsFor(principal: Principal): GrantRecord[] {
    return this.#found(principal).filter((record) => this.#isOfPresent(record, principal));
  }

  #found(principal: Principal): GrantRecord[] {
    return indexKeysFor(principal).flatMap((key) => this.#indexed().get(key) ?? []);
  }

  /** Grants for a domain count from the present peering on: a later peer of the name is another. */
  #isOfPresent({ subject, createdAtMs }: GrantRecord, { kind, trustDomain }: Principal): boolean {
    if (kind !== "foreign") return true;
    const sinceMs = this.#view.peerSinceMs(trustDomain);
    return sinceMs !== undefined && (subject === EVERYBODY || createdAtMs >= sinceMs);
  }

  #isSame(one: GrantRecord, other: GrantRecord): boolean {
    const { peerSinceMs } = this.#view;
    const domain = one.subject.slice(one.subject.indexOf("@") + 1);
    return (
      indexKeyOf(one) === indexKeyOf(other) &&
      one.givenBy === other.givenBy &&
      formatGrant(one.grant) === formatGrant(other.grant) &&
      one.createdAtMs >= (one.nodeId === undefined ? (peerSinceMs(domain) ?? 0) : 0)
    );
  }

  #all(): GrantRecord[] {
    return this.#context.records.all(GRANT_PREFIX);
  }

  #indexed(): Map<string, GrantRecord[]> {
    if (this.#index !== undefined) return this.#index;
    const index = new Map<string, GrantRecord[]>();
    for (const record of this.#all()) {
      const key = indexKeyOf(record);
      const others = index.get(key);
      if (others === undefined) index.set(key, [record]);
      else others.push(record);
    }
    this.#index = index;
    return index;
  }

  /** One record, after and before. */
  #changed(change: readonly (GrantRecord | undefined)[]): void {
    const told = change.filter((one) => one !== undefined);
    this.#index = undefined;
    this.changedFor((principal) => told.some((one) => this.#touches(one, principal)));
  }

  /** Whether the grant is for the principal, or for whoever passed something on to it. */
  #touches(record: GrantRecord, principal: Principal): boolean {
    if (indexKeysFor(principal).includes(indexKeyOf(record))) return true;
    const givers = this.heldBy(principal).flatMap(({ givenBy }) => givenBy ?? []);
    return record.nodeId === undefined ? givers.length > 0 : givers.includes(record.nodeId);
  }

  #dependsOn(principal: Principal, nodeId: NodeId): boolean {
    const { cache } = this.#context;
    if (principal.nodeId === nodeId || cache.isRevoked(principal.nodeId)) return true;
    return this.heldBy(principal).some(({ givenBy }) => givenBy === nodeId);
  }
}

function direct(grant: Grant): KnownGrant {
  return { grant, origin: "invite" };
}

/** The operator takes every grant away, a person those that it gave. */
function mayTake({ givenBy }: GrantRecord, by: Principal): boolean {
  if (by.kind === "coordinator") return true;
  return by.kind === "person" && givenBy === by.nodeId;
}

function auditOf({ id, subject, grant, nodeId }: GrantRecord) {
  const detail = { subject, grant: formatGrant(grant) };
  return {
    subject: `grant/${id}`,
    detail: nodeId === undefined ? detail : { ...detail, nodeId },
  };
}

function order(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
