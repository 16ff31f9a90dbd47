/**
 * Changes of peers. Each writes the peer and the sequence number of the list that storage nodes
 * get, and compares that number: two coordinators therefore never take two peers of one name.
 */
import { canonicalJson, MeshError, type TrustDomain } from "@hearthmesh/core";
import {
  type BundleAnchor,
  caPinOf,
  type SignedTrustBundle,
  verifyTrustBundle,
} from "@hearthmesh/identity";
import type { Operation } from "@hearthmesh/store";
import type { AuditNote } from "./audit.js";
import { farewellKey, PEER_PREFIX, PEER_TRUST_KEY, peerKey } from "./authority-keys.js";
import type { AuthorityContext } from "./context.js";
import { type Change, type Decision, put, unchanged } from "./ledger.js";
import {
  bundleFields,
  checkAlias,
  type FarewellRecord,
  type PeerRecord,
  refuseConfusable,
  refuseTaken,
} from "./peers-records.js";
import { readAll } from "./read-all.js";
import { decodeRecord, type Versioned } from "./records.js";

/** A bundle that says nothing new is taken when it is good for so much longer. */
const RENEWAL_STEP_MS = 3_600_000;

/** `authority/peer-trust`. */
export interface PeerTrustRecord extends Versioned {
  readonly sequence: number;
}

/** Part of a transaction that adds or changes peers. */
export interface PeerChange {
  readonly record: PeerRecord;
  readonly change: Omit<Change, "audit">;
}

/** The peers as the store has them, and how to write beside them. */
async function readPeers(context: AuthorityContext) {
  // The number first: whoever changed a peer after it makes the comparison fail.
  const trust = await context.ledger.read<PeerTrustRecord>(PEER_TRUST_KEY);
  const { entries } = await readAll(context.store, PEER_PREFIX);
  const peers = entries.map((entry) => decodeRecord<PeerRecord>(entry));
  const sequence = Math.max((trust.record?.sequence ?? 0) + 1, context.clock.nowMs());
  const next: PeerTrustRecord = { v: 1, sequence };
  const write = (operations: readonly Operation[]) => ({
    compare: [unchanged(PEER_TRUST_KEY, trust)],
    operations: [...operations, put(PEER_TRUST_KEY, next)],
  });
  return { peers, write };
}

/**
 * A new peer from a bundle that was verified. `MESH_PEER_EXISTS`, `MESH_BUNDLE_INVALID`,
 * `MESH_LIMIT`, `MESH_BAD_REQUEST` for the alias.
 */
export async function newPeer(
  context: AuthorityContext,
  bundle: SignedTrustBundle,
  given: { alias: string | undefined; acceptedBy: string },
): Promise<PeerChange> {
  const { memberId, trustDomain, ca, clock } = context;
  const { peers, write } = await readPeers(context);
  const own = { trustDomain, caCertificatesPem: [ca.certificatePem] };
  refuseConfusable(bundle, own, peers);
  const alias = checkAlias(given.alias ?? bundle.memberId, memberId);
  refuseTaken(alias, bundle.trustDomain, peers);
  const record: PeerRecord = {
    v: 1,
    ...bundleFields(bundle),
    alias,
    acceptedAtMs: clock.nowMs(),
    acceptedBy: given.acceptedBy,
  };
  const operations: Operation[] = [
    put(peerKey(record.trustDomain), record),
    { type: "delete", key: farewellKey(record.trustDomain) },
  ];
  return { record, change: write(operations) };
}

/** What the audit trail says of a peer that came. */
export function acceptAudit(by: string, record: PeerRecord): AuditNote {
  const { trustDomain, memberId, alias, caCertificatesPem } = record;
  return {
    by,
    action: "peer.accept",
    subject: `peer/${trustDomain}`,
    detail: { memberId, alias, caPins: caCertificatesPem.map(caPinOf) },
  };
}

/**
 * A newer bundle of a peer that is known. One that is not newer than what is known changes nothing.
 * `MESH_PEER_UNKNOWN`, `MESH_BUNDLE_INVALID`.
 */
export async function refreshPeer(
  context: AuthorityContext,
  by: string,
  trustDomain: TrustDomain,
  value: unknown,
): Promise<PeerRecord> {
  const { ledger, clock, ca } = context;
  return ledger.change(async (): Promise<Decision<PeerRecord>> => {
    const { peers, write } = await readPeers(context);
    const known = peers.find((peer) => peer.trustDomain === trustDomain);
    if (known === undefined) throw unknownPeer(trustDomain);
    const { caCertificatesPem } = known;
    const anchor: BundleAnchor = { trustDomain, caCertificatesPem };
    const bundle = verifyTrustBundle(value, anchor, clock.nowMs());
    if (bundle.sequence <= known.sequence || saysNothingNew(known, bundle)) {
      return { result: known };
    }
    const own = { trustDomain: context.trustDomain, caCertificatesPem: [ca.certificatePem] };
    refuseConfusable(bundle, own, peers);
    if (bundle.memberId !== known.memberId) {
      throw new MeshError("MESH_BUNDLE_INVALID", {
        message: `${trustDomain} was the member ${known.memberId} and is ${bundle.memberId} now`,
        hint: "If that is right, remove the peer and invite it again.",
      });
    }
    const record: PeerRecord = { ...known, ...bundleFields(bundle) };
    const audit: AuditNote = {
      by,
      action: "peer.refresh",
      subject: `peer/${trustDomain}`,
      detail: {
        sequence: bundle.sequence,
        caPins: record.caCertificatesPem.map(caPinOf),
        revoked: bundle.revocations.entries.length,
      },
    };
    const change = { ...write([put(peerKey(trustDomain), record)]), audit };
    return { result: record, change };
  });
}

/**
 * The same again, and good for hardly longer: it is not worth a record in the audit trail, which a
 * peer could else fill.
 */
function saysNothingNew(known: PeerRecord, bundle: SignedTrustBundle): boolean {
  const content = (of: object) =>
    canonicalJson({ ...of, sequence: 0, issuedAtMs: 0, bundleNotAfterMs: 0 });
  const { alias: _a, acceptedAtMs: _t, acceptedBy: _b, v: _v, ...before } = known;
  const isLonger = bundle.notAfterMs >= known.bundleNotAfterMs + RENEWAL_STEP_MS;
  return !isLonger && content(before) === content(bundleFields(bundle));
}

/**
 * Removes a peer. `tell` keeps what is needed to say so to it later; a peer that said so itself
 * need not be told.
 */
export async function removePeer(
  context: AuthorityContext,
  by: string,
  trustDomain: TrustDomain,
  tell: boolean,
): Promise<PeerRecord> {
  const { ledger, clock } = context;
  return ledger.change(async (): Promise<Decision<PeerRecord>> => {
    const { peers, write } = await readPeers(context);
    const known = peers.find((peer) => peer.trustDomain === trustDomain);
    if (known === undefined) throw unknownPeer(trustDomain);
    const { alias, caCertificatesPem, coordinators } = known;
    const removedAtMs = clock.nowMs();
    const farewell: FarewellRecord = {
      v: 1,
      trustDomain,
      caCertificatesPem,
      coordinators,
      removedAtMs,
    };
    const key = farewellKey(trustDomain);
    const audit: AuditNote = {
      by,
      action: "peer.remove",
      subject: `peer/${trustDomain}`,
      detail: { alias },
    };
    const operations: Operation[] = [
      { type: "delete", key: peerKey(trustDomain) },
      tell ? put(key, farewell) : { type: "delete", key },
    ];
    return { result: known, change: { ...write(operations), audit } };
  });
}

export function unknownPeer(name: string): MeshError {
  return new MeshError("MESH_PEER_UNKNOWN", {
    message: `${JSON.stringify(name.slice(0, 80))} is no peer of this member`,
  });
}
