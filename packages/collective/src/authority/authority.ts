/**
 * The authority of one member: who is let in, what they may do, and who is thrown out. It runs on
 * the coordinator, which holds the CA key. Every change is durable, audited and visible to the
 * next check before its caller gets an answer.
 *
 * Three questions are asked on every connection and request, and answered from memory: `principal`
 * (who is this certificate), `check` (is it still so) and `authorize` (may it do this here).
 */
import {
  type Clock,
  type Logger,
  type MemberId,
  MeshError,
  type NodeId,
  parseMemberId,
  parseTrustDomain,
  type Random,
  type TrustDomain,
} from "@hearthmesh/core";
import {
  type CertificateVerifier,
  caPinOf,
  createVerifier,
  describeMemberCa,
  evaluateGrants,
  type Grant,
  type IdentityRecord,
  type InviteRecord,
  isDeniedBelow,
  isForeign,
  isVisible,
  type MemberCa,
  type Principal,
  type RevocationList,
  RIGHTS,
  type Right,
  type TrustBundle,
  verifyOwnOrForeign,
} from "@hearthmesh/identity";
import type { Store } from "@hearthmesh/store";
import type { AccessListener } from "./access-news.js";
import { AllowLists } from "./allow-lists.js";
import { ApiKeys } from "./api-keys.js";
import { type AuditPage, type AuditVerdict, auditLength, readAudit, verifyAudit } from "./audit.js";
import type { AuthorityContext } from "./context.js";
import { Coordinators } from "./coordinators.js";
import {
  type CoordinatorRequest,
  type EnrolRequest,
  enrol,
  enrolCoordinator,
} from "./enrolment.js";
import { GrantBook } from "./grant-book.js";
import { explainGrant, type GrantExplanation } from "./grant-explain.js";
import { subjectFor } from "./grant-subject.js";
import { subjectView } from "./grant-target.js";
import { HealingAudit } from "./healing-audit.js";
import type { RevokedListener } from "./identity-cache.js";
import type { EnrolResult } from "./identity-write.js";
import { Introductions } from "./introductions.js";
import type { InviteRequest } from "./invite-request.js";
import { type CreatedInvite, createInvite, listInvites, maySee, revokeInvite } from "./invites.js";
import { openContext } from "./open-context.js";
import { PeerBook } from "./peers.js";
import { Pools } from "./pools.js";
import { Quotas } from "./quotas.js";
import { allowRecovery, type RecoverRequest, recover, renew, type ServerNames } from "./renewal.js";
import { revokeIdentity } from "./revoke.js";

export interface AuthorityOptions {
  store: Store;
  ca: MemberCa;
  memberId: MemberId | string;
  trustDomain: TrustDomain | string;
  /**
   * Whether machines may be invited as further coordinators: only a store that several machines
   * reach allows it. Default false.
   */
  severalCoordinators?: boolean;
  clock: Clock;
  random: Random;
  log: Logger;
}

const EVERYTHING: readonly Grant[] = [{ path: "/", rights: RIGHTS, effect: "allow" }];

export class Authority {
  /** For programs and other meshes, which have no certificate of this member. */
  readonly apiKeys: ApiKeys;
  /** Nodes of other meshes that are known here. */
  readonly introductions: Introductions;
  /** From where each node may call. */
  readonly allowLists: AllowLists;
  /** Where the coordinators of this member are. */
  readonly coordinators: Coordinators;
  /** Other members, and who of them is believed. */
  readonly peers: PeerBook;
  /** What people of this member and of peers may do, beyond what invites said. */
  readonly grants: GrantBook;
  /** How much each peer may keep here. */
  readonly quotas: Quotas;
  /** Which machines of this member run models together. */
  readonly pools: Pools;
  /** What healing changed, who stopped it, and who let it go on. */
  readonly healingAudit: HealingAudit;
  readonly #context: AuthorityContext;
  readonly #verifier: CertificateVerifier;
  readonly #bundle: TrustBundle;

  private constructor(context: AuthorityContext) {
    this.#context = context;
    this.#bundle = {
      trustDomain: context.trustDomain,
      sequence: 1,
      caCertificatesPem: [context.ca.certificatePem],
    };
    this.#verifier = createVerifier(this.#bundle);
    this.apiKeys = new ApiKeys(context);
    this.introductions = new Introductions(context);
    this.allowLists = new AllowLists(context);
    this.coordinators = new Coordinators(context);
    this.peers = new PeerBook(context, this.coordinators);
    this.grants = new GrantBook(context, subjectView(context, this.peers));
    this.peers.onChange(({ trustDomain: changed }) =>
      this.grants.changedFor(
        ({ kind, trustDomain }) => kind === "foreign" && trustDomain === changed,
      ),
    );
    this.quotas = new Quotas(context, this.peers);
    this.pools = new Pools(context);
    this.healingAudit = new HealingAudit(context);
  }

  /** `MESH_CONFIG_INVALID` when CA, member and store do not belong together. */
  static async open(options: AuthorityOptions): Promise<Authority> {
    const memberId = parseMemberId(options.memberId);
    const trustDomain = parseTrustDomain(options.trustDomain);
    return new Authority(
      await openContext({ severalCoordinators: false, ...options, memberId, trustDomain }),
    );
  }

  /** Stops following the store. The store itself belongs to the caller. */
  async close(): Promise<void> {
    this.#context.cache.close();
    this.#context.records.close();
  }

  get memberId(): MemberId {
    return this.#context.memberId;
  }

  get trustBundle(): TrustBundle {
    return this.#bundle;
  }

  get trustDomain(): TrustDomain {
    return this.#context.trustDomain;
  }

  get caCertificatePem(): string {
    return this.#context.ca.certificatePem;
  }

  get caPin(): string {
    return caPinOf(this.#context.ca.certificatePem);
  }

  /**
   * The operator at this machine: for the door that only the machine's own user reaches. It
   * speaks as the coordinator and stays valid when the coordinator's certificate ends, so that a
   * machine that was asleep can be looked after. `MESH_UNAUTHENTICATED` before
   * `enrolCoordinator`.
   */
  localOperator(): Principal {
    const { cache, trustDomain, ca } = this.#context;
    const coordinators = cache.all().filter((record) => record.kind === "coordinator");
    const [newest] = coordinators.sort((a, b) => b.enrolledAtMs - a.enrolledAtMs);
    if (newest === undefined) {
      throw new MeshError("MESH_UNAUTHENTICATED", {
        message: "this member has no coordinator yet",
      });
    }
    const { spiffeId, name, nodeId, serial } = newest;
    const { notAfterMs } = describeMemberCa(ca.certificatePem);
    return { kind: "coordinator", spiffeId, trustDomain, name, nodeId, serial, notAfterMs };
  }

  /**
   * Operators may invite nodes and people; a person may invite people, to what it may share (see
   * `sharing.ts`). `MESH_FORBIDDEN`, `MESH_BAD_REQUEST`, `MESH_LIMIT`.
   */
  async createInvite(by: Principal, request: InviteRequest): Promise<CreatedInvite> {
    this.check(by);
    return createInvite(this.#context, by, request, () => this.grants.directlyHeldBy(by.nodeId));
  }

  /** Newest first; for a person, those that it made. */
  async listInvites(by?: Principal): Promise<InviteRecord[]> {
    const records = await listInvites(this.#context);
    return by === undefined ? records : records.filter((record) => maySee(record, by));
  }

  /** By id or by the whole code. `MESH_INVITE_UNKNOWN`, `MESH_INVITE_INVALID`. */
  async revokeInvite(by: Principal, idOrCode: string): Promise<InviteRecord> {
    this.check(by);
    return revokeInvite(this.#context, by, idOrCode);
  }

  /** Redeems an invite. See `enrolment.ts`. */
  enrol(request: EnrolRequest): Promise<EnrolResult> {
    return enrol(this.#context, request);
  }

  /** For the composition root only: the coordinator's own certificate. */
  enrolCoordinator(request: CoordinatorRequest): Promise<EnrolResult> {
    return enrolCoordinator(this.#context, request);
  }

  /** A new certificate for the caller's own key. `names` count for coordinators only. */
  async renew(principal: Principal, csrPem: string, names?: ServerNames): Promise<EnrolResult> {
    this.check(principal);
    return renew(this.#context, principal, csrPem, names);
  }

  /** A new certificate for a key that proves itself without one. See `renewal.ts`. */
  recover(request: RecoverRequest): Promise<EnrolResult> {
    return recover(this.#context, request);
  }

  /** Operators only: sets an identity's counter of recoveries back to zero. */
  async allowRecovery(by: Principal, idOrName: string): Promise<IdentityRecord> {
    this.#requireOperator(by, "allow a recovery");
    return allowRecovery(this.#context, by, idOrName);
  }

  /** Operators only. Listeners of `onRevoked` are told before this resolves. */
  async revoke(by: Principal, idOrName: string, reason: string): Promise<IdentityRecord> {
    this.#requireOperator(by, "revoke an identity");
    return revokeIdentity(this.#context, by, idOrName, reason);
  }

  /** The newest list, for other nodes and programs. */
  revocationList(): RevocationList {
    return this.#context.cache.revocationList;
  }

  /** Calls at once for every key that is revoked from now on; returns how to stop. */
  onRevoked(listener: RevokedListener): () => void {
    return this.#context.cache.onRevoked(listener);
  }

  isRevoked(nodeId: NodeId): boolean {
    return this.#context.cache.isRevoked(nodeId);
  }

  identity(nodeId: NodeId): IdentityRecord | undefined {
    return this.#context.cache.get(nodeId);
  }

  listIdentities(): IdentityRecord[] {
    return this.#context.cache.all().sort((a, b) => (a.spiffeId < b.spiffeId ? -1 : 1));
  }

  /**
   * Who a chain (the certificate first) speaks for: somebody of this member, by its own CA alone,
   * else somebody of a peer, by the bundle of that one peer. Throws the errors of
   * `verifyCertificate` and of `check`.
   */
  principal(chainDer: readonly Uint8Array[]): Principal {
    const nowMs = this.#context.clock.nowMs();
    const principal = verifyOwnOrForeign(chainDer, this.#verifier, this.peers, nowMs);
    this.check(principal);
    return principal;
  }

  /**
   * Whether a principal is still who it was: cheap enough for every request on an open connection.
   * `MESH_CERT_REVOKED`, `MESH_CERT_EXPIRED`, `MESH_CERT_UNTRUSTED` for one that was never let in.
   */
  check(principal: Principal): void {
    const { cache, clock } = this.#context;
    if (cache.isRevoked(principal.nodeId)) {
      throw new MeshError("MESH_CERT_REVOKED", { message: `${principal.name} was revoked` });
    }
    if (isForeign(principal)) {
      this.peers.check(principal);
      return;
    }
    const known = cache.get(principal.nodeId);
    if (known?.kind !== principal.kind || known.spiffeId !== principal.spiffeId) {
      throw new MeshError("MESH_CERT_UNTRUSTED", {
        message: `this member has no ${principal.kind} ${principal.name} with this key`,
      });
    }
    if (clock.nowMs() > principal.notAfterMs) throw new MeshError("MESH_CERT_EXPIRED");
  }

  /** What the principal may do now; coordinators of this member everything. */
  grantsOf(principal: Principal): readonly Grant[] {
    return principal.kind === "coordinator" ? EVERYTHING : this.grants.of(principal);
  }

  /** Until when a right holds that the principal has now; undefined without an end. */
  rightEndsAtMs(principal: Principal, path: string, right: Right): number | undefined {
    if (principal.kind === "coordinator") return undefined;
    return this.grants.decide(principal, path, right).notAfterMs;
  }

  /**
   * Told of every change of what somebody may do: grants, revocations, peers; by whichever
   * coordinator. What is under way is to be judged anew. That a right comes to its end is not told:
   * see `rightEndsAtMs`.
   */
  onAccessChanged(listener: AccessListener): () => void {
    return this.grants.news.onChange(listener);
  }

  /**
   * Why somebody may or may not do something: the operator asks about everybody, a person about
   * itself (`subject` left out, or its own name). `MESH_FORBIDDEN`, `MESH_BAD_REQUEST`.
   */
  explain(by: Principal, path: string, right: Right, subject?: string): GrantExplanation {
    this.check(by);
    const { clock } = this.#context;
    const context = { book: this.grants, view: subjectView(this.#context, this.peers), clock };
    const isSelf = subject === undefined || subject === by.name || subject === by.nodeId;
    if (!isSelf) this.#requireOperator(by, "ask what others may do");
    return explainGrant(context, isSelf ? by.nodeId : subject, path, right);
  }

  /** Throws `MESH_FORBIDDEN` unless a grant allows it, and the errors of `check`. */
  authorize(principal: Principal, path: string, right: Right): void {
    this.check(principal);
    const nowMs = this.#context.clock.nowMs();
    const decision = evaluateGrants(this.grantsOf(principal), path, right, nowMs);
    if (decision.allowed) return;
    throw new MeshError("MESH_FORBIDDEN", {
      message: `${principal.name} may not ${right} ${path}`,
      hint: `Ask the operator: mesh grant add ${subjectFor(principal)} "${path}:${right}".`,
      details: { principal: principal.spiffeId, path, right, reason: decision.reason },
    });
  }

  /** Whether it may read the path, or a grant of any right is on the path or below it. */
  visible(principal: Principal, path: string): boolean {
    this.check(principal);
    return isVisible(this.grantsOf(principal), path, this.#context.clock.nowMs());
  }

  /** Whether the right is taken away from the principal somewhere below the path. */
  deniedBelow(principal: Principal, path: string, right: Right): boolean {
    this.check(principal);
    const nowMs = this.#context.clock.nowMs();
    return isDeniedBelow(this.grantsOf(principal), path, right, nowMs);
  }

  /** Audit records after a sequence number, oldest first. */
  auditTrail(options: { after?: number; limit?: number } = {}): Promise<AuditPage> {
    return readAudit(this.#context.store, options);
  }

  /** Number of the newest audit record. */
  auditLength(): Promise<number> {
    return auditLength(this.#context.store);
  }

  /** Whether all records that are kept follow from each other. */
  verifyAudit(): Promise<AuditVerdict> {
    return verifyAudit(this.#context.store);
  }

  /** Whether this node may call from this address: by its allow-list, or because it has none. */
  addressAllowed(nodeId: NodeId, address: string): boolean {
    return this.allowLists.allows(nodeId, address);
  }

  #requireOperator(by: Principal, what: string): void {
    this.check(by);
    if (by.kind === "coordinator") return;
    throw new MeshError("MESH_FORBIDDEN", {
      message: `${by.name} may not ${what}`,
      hint: "Only the operator may.",
    });
  }
}
