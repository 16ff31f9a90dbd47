/**
 * The peers of this member: other members whose people, nodes and coordinators are known here by
 * the bundle of their own domain, and by nothing else. What any of them may do is said by grants.
 */
import { limits, MeshError, type NodeId, type TrustDomain } from "@hearthmesh/core";
import {
  caPinOf,
  type ForeignPrincipal,
  ForeignVerifier,
  type InviteCode,
  type PeerTrustList,
  type Principal,
  pairFingerprint,
  peeringMessage,
  type RevocationList,
  type SignedTrustBundle,
  signerOf,
  signPeerTrustList,
  type TrustedPeer,
  verifyTrustBundle,
} from "@hearthmesh/identity";
import { type Actor, actorText } from "./api-keys.js";
import {
  farewellKey,
  PEER_FAREWELL_PREFIX,
  PEER_PREFIX,
  PEER_TRUST_KEY,
  peerKey,
} from "./authority-keys.js";
import type { AuthorityContext } from "./context.js";
import type { Coordinators } from "./coordinators.js";
import { OwnBundle } from "./own-bundle.js";
import {
  type CreatedPeerInvite,
  createPeerInvite,
  listPeerInvites,
  type PeerInviteRecord,
  type PeerInviteRequest,
  type PeerRedemption,
  redeemPeerInvite,
  revokePeerInvite,
} from "./peer-invites.js";
import { checkAlias, type FarewellRecord, type PeerRecord, refuseTaken } from "./peers-records.js";
import {
  acceptAudit,
  newPeer,
  type PeerTrustRecord,
  refreshPeer,
  removePeer,
  unknownPeer,
} from "./peers-write.js";

/** A peer before and after a change; undefined where it was or is none. */
export interface PeerChanged {
  readonly trustDomain: TrustDomain;
  readonly before: PeerRecord | undefined;
  readonly after: PeerRecord | undefined;
}

export class PeerBook {
  readonly #context: AuthorityContext;
  readonly #ownBundle: OwnBundle;
  readonly #verifier: ForeignVerifier;
  readonly #revoked = new WeakMap<RevocationList, ReadonlySet<NodeId>>();
  readonly #listeners = new Set<(change: PeerChanged) => void>();
  #trustList: PeerTrustList | undefined;

  constructor(context: AuthorityContext, coordinators: Pick<Coordinators, "list">) {
    this.#context = context;
    this.#ownBundle = new OwnBundle(context, coordinators);
    this.#verifier = new ForeignVerifier(this);
    context.records.onChange(PEER_PREFIX, (key, after, before) => {
      const trustDomain = key.slice(PEER_PREFIX.length) as TrustDomain;
      this.#changed({ trustDomain, before, after } as PeerChanged);
    });
  }

  /** By alias. */
  list(): PeerRecord[] {
    const records = this.#context.records.all<PeerRecord>(PEER_PREFIX);
    return records.sort((a, b) => (a.alias < b.alias ? -1 : 1));
  }

  get(trustDomain: TrustDomain): PeerRecord | undefined {
    return this.#context.records.get<PeerRecord>(PEER_PREFIX, peerKey(trustDomain));
  }

  /**
   * By alias, else by domain, else by the name that the member gives itself, when only one has it.
   * `MESH_PEER_UNKNOWN`.
   */
  find(name: string): PeerRecord {
    const plain = name.trim().toLowerCase();
    const all = this.list();
    const named = all.find(({ alias }) => alias === plain) ?? this.get(plain as TrustDomain);
    if (named !== undefined) return named;
    const [only, ...others] = all.filter(({ memberId }) => memberId === plain);
    if (only === undefined || others.length > 0) throw unknownPeer(name);
    return only;
  }

  /** Told of every peer that came, changed or went, by whichever coordinator; says how to stop. */
  onChange(listener: (change: PeerChanged) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Whether the peer itself has revoked this key. */
  isRevoked(trustDomain: TrustDomain, nodeId: NodeId): boolean {
    const list = this.get(trustDomain)?.revocations;
    return list !== undefined && this.#revokedIn(list).has(nodeId);
  }

  /** Who of a peer showed this chain; undefined when it names no domain of a peer. */
  principalOf(chainDer: readonly Uint8Array[], nowMs: number): ForeignPrincipal | undefined {
    if (this.#context.records.all(PEER_PREFIX).length === 0) return undefined;
    return this.#verifier.principalOf(chainDer, nowMs);
  }

  /** Whether somebody of a peer is still who it was. Throws `MESH_CERT_*`. */
  check(principal: Principal): void {
    this.#verifier.check(principal, this.#context.clock.nowMs());
  }

  /** CAs that TLS lets through to `principalOf`, which then judges by the domain. */
  caCertificatesPem(): string[] {
    return [...new Set(this.list().flatMap(({ caCertificatesPem }) => caCertificatesPem))];
  }

  /** The same words that the operator of the peer sees. */
  wordsOf({ caCertificatesPem }: Pick<PeerRecord, "caCertificatesPem">): string {
    return pairFingerprint(this.#context.ca.certificatePem, caCertificatesPem[0] ?? "");
  }

  /** What this member says of itself to its peers. */
  ownBundle(): Promise<SignedTrustBundle> {
    return this.#ownBundle.current();
  }

  /** What nodes without an authority have to know; newer with every change of a peer. */
  trustList(): PeerTrustList {
    const { records, trustDomain, ca } = this.#context;
    const record = records.get<PeerTrustRecord>(PEER_TRUST_KEY, PEER_TRUST_KEY);
    const sequence = record?.sequence ?? 0;
    if (this.#trustList?.sequence === sequence) return this.#trustList;
    const peers = withinBytes(
      this.list().map((peer) => ({
        trustDomain: peer.trustDomain,
        caCertificatesPem: peer.caCertificatesPem,
        bundleNotAfterMs: peer.bundleNotAfterMs,
        revokedNodeIds: [...this.#revokedIn(peer.revocations)],
      })),
      ({ trustDomain }) =>
        this.#context.log.warn("too much is revoked: storage nodes refuse a peer", { trustDomain }),
    );
    this.#trustList = signPeerTrustList({ trustDomain, sequence, peers }, ca.privateKeyPem);
    return this.#trustList;
  }

  async createInvite(by: Actor, request: PeerInviteRequest): Promise<CreatedPeerInvite> {
    return createPeerInvite(this.#context, operatorText(by), request);
  }

  /** Newest first. */
  listInvites(): PeerInviteRecord[] {
    return listPeerInvites(this.#context);
  }

  async revokeInvite(by: Actor, id: string): Promise<PeerInviteRecord> {
    return revokePeerInvite(this.#context, operatorText(by), id);
  }

  /** Another member takes a code of this one; see `peer-invites.ts`. */
  redeem(request: PeerRedemption): Promise<PeerRecord> {
    return redeemPeerInvite(this.#context, request);
  }

  /**
   * What this member sends to redeem a code. Throws first what would keep it from taking the peer:
   * `MESH_PEER_EXISTS`, `MESH_BAD_REQUEST`, `MESH_LIMIT`.
   */
  async redemptionOf(code: InviteCode, alias: string | undefined): Promise<PeerRedemption> {
    const { ca, memberId, trustDomain } = this.#context;
    const byCaPin = caPinOf(ca.certificatePem);
    if (code.caPin === byCaPin) {
      throw new MeshError("MESH_BAD_REQUEST", { message: "the code is one of this member itself" });
    }
    refuseTaken(checkAlias(alias ?? code.memberId, memberId), trustDomain, this.list());
    const { id: inviteId, secret, caPin } = code;
    const message = peeringMessage({ inviteId, caPin, byCaPin });
    const proof = Buffer.from(signerOf(ca.privateKeyPem)(message)).toString("base64");
    return { inviteId, secret, bundle: await this.ownBundle(), proof };
  }

  /** Takes the member whose code was redeemed, by the bundle that it answered with. */
  async accept(
    by: Actor,
    code: InviteCode,
    answer: { bundle: unknown; alias: string | undefined },
  ): Promise<PeerRecord> {
    const { ledger, clock, log } = this.#context;
    const acceptedBy = operatorText(by);
    const bundle = verifyTrustBundle(answer.bundle, { caPin: code.caPin }, clock.nowMs());
    const record = await ledger.change(async () => {
      const made = await newPeer(this.#context, bundle, { alias: answer.alias, acceptedBy });
      const audit = acceptAudit(acceptedBy, made.record);
      return { result: made.record, change: { ...made.change, audit } };
    });
    log.info("another member became a peer", { trustDomain: record.trustDomain });
    return record;
  }

  /** A bundle that the peer handed out. `MESH_PEER_UNKNOWN`, `MESH_BUNDLE_INVALID`. */
  refresh(trustDomain: TrustDomain, bundle: unknown): Promise<PeerRecord> {
    return refreshPeer(this.#context, `peer/${trustDomain}`, trustDomain, bundle);
  }

  /** At once and everywhere. The peer is told later, see `farewells`. `MESH_PEER_UNKNOWN`. */
  async remove(by: Actor, name: string): Promise<PeerRecord> {
    const { trustDomain } = this.find(name);
    return removePeer(this.#context, operatorText(by), trustDomain, true);
  }

  /** The peer's own coordinator says that it removed this member. */
  async removedBy(principal: Principal): Promise<PeerRecord> {
    if (principal.kind !== "foreign" || principal.foreignKind !== "coordinator") {
      throw new MeshError("MESH_FORBIDDEN", {
        message: "only the coordinator of a peer may end the peering from its side",
      });
    }
    return removePeer(this.#context, principal.spiffeId, principal.trustDomain, false);
  }

  /** Peers that were removed and have not been told yet. */
  farewells(): FarewellRecord[] {
    return this.#context.records.all<FarewellRecord>(PEER_FAREWELL_PREFIX);
  }

  /** The peer knows, or has stopped to believe by itself. */
  async forgetFarewell(trustDomain: TrustDomain): Promise<void> {
    const { store, records } = this.#context;
    const operations = [{ type: "delete" as const, key: farewellKey(trustDomain) }];
    const { revision } = await store.transact({ success: operations });
    records.applyOperations(operations, revision);
  }

  #revokedIn(list: RevocationList): ReadonlySet<NodeId> {
    let revoked = this.#revoked.get(list);
    if (revoked === undefined) {
      revoked = new Set(list.entries.map(({ nodeId }) => nodeId));
      this.#revoked.set(list, revoked);
    }
    return revoked;
  }

  #changed(change: PeerChanged): void {
    this.#trustList = undefined;
    for (const listener of this.#listeners) listener(change);
  }
}

/**
 * As many as storage nodes can be told of, the shortest first. They refuse the others: a peer that
 * says too much must not keep the removal of another from them.
 */
function withinBytes(all: readonly TrustedPeer[], onLeftOut: (peer: TrustedPeer) => void) {
  const sizeOf = (peer: TrustedPeer) => JSON.stringify(peer).length;
  const bySize = all
    .map((peer) => ({ peer, bytes: sizeOf(peer) }))
    .sort((a, b) => a.bytes - b.bytes);
  let left = limits.PEER_TRUST_BYTES_MAX;
  return bySize.flatMap(({ peer, bytes }) => {
    left -= bytes;
    if (left >= 0) return [peer];
    onLeftOut(peer);
    return [];
  });
}

/** Defence in depth: the doors let only operators come here. */
function operatorText(by: Actor): string {
  if (by.principal.kind === "coordinator") return actorText(by);
  throw new MeshError("MESH_FORBIDDEN", {
    message: `${by.principal.name} may not change the peers of this member`,
    hint: "Only the operator may.",
  });
}
