/**
 * Codes by which another member becomes a peer. One code is for one member: whoever redeems it
 * first, by the key of its CA. Check, consume and write the peer is one transaction; the same CA
 * may try again, another may not. Only the hash of the secret is kept.
 */
import { type InviteId, limits, MeshError, newInviteId, type TrustDomain } from "@hearthmesh/core";
import {
  caPinOf,
  type Endpoint,
  encodePeering,
  hashInviteSecret,
  type InviteCode,
  inviteSecretMatches,
  newInviteSecret,
  peeringMessage,
  publicKeyDerOf,
  type SignedTrustBundle,
  verifyOwnTrustBundle,
  verifySignature,
} from "@hearthmesh/identity";
import type { Operation } from "@hearthmesh/store";
import { PEER_INVITE_PREFIX, PEER_PREFIX, peerInviteKey, peerKey } from "./authority-keys.js";
import type { AuthorityContext } from "./context.js";
import { type Decision, put, unchanged } from "./ledger.js";
import { checkAlias, type PeerRecord, refuseTaken } from "./peers-records.js";
import { acceptAudit, newPeer } from "./peers-write.js";
import type { Versioned } from "./records.js";

const INVITE_ID = /^[a-z2-7]{10}$/;
const SIGNATURE = /^[A-Za-z0-9+/]{86}==$/;
/** Hash of no secret: compared for an unknown id, so that it takes as long as a wrong secret. */
const NO_SECRET_HASH = "0".repeat(64);
/** Closed codes are kept for lists this long. */
const KEPT_MS = 30 * 86_400_000;

export interface PeerInviteRecord extends Versioned {
  readonly id: InviteId;
  /** What the peer will be called here; its own name when it is absent. */
  readonly alias?: string;
  /** Hexadecimal SHA-256 of the secret. */
  readonly secretHash: string;
  readonly notAfterMs: number;
  readonly createdAtMs: number;
  /** SPIFFE id, or `key/<id>`. */
  readonly createdBy: string;
  readonly revokedAtMs?: number;
  readonly use?: {
    readonly trustDomain: TrustDomain;
    readonly caPin: string;
    readonly atMs: number;
  };
}

export interface PeerInviteRequest {
  readonly alias?: string;
  readonly validityMs: number;
  /** Enrolment ports for the text and the link. */
  readonly endpoints: readonly Endpoint[];
}

export interface CreatedPeerInvite {
  readonly record: PeerInviteRecord;
  /** Have the secret: for whoever asked, and for nobody else. */
  readonly text: string;
  readonly link: string;
}

export interface PeerRedemption {
  readonly inviteId: string;
  readonly secret: string;
  /** Of the member that redeems it. */
  readonly bundle: unknown;
  /** Base64: its CA key over `peeringMessage`. */
  readonly proof: string;
}

/** `by` is an operator, as text for the audit trail. `MESH_BAD_REQUEST`, `MESH_LIMIT`. */
export async function createPeerInvite(
  context: AuthorityContext,
  by: string,
  request: PeerInviteRequest,
): Promise<CreatedPeerInvite> {
  const { clock, random, ledger, memberId, trustDomain, records } = context;
  const { validityMs, endpoints } = request;
  if (!Number.isSafeInteger(validityMs) || validityMs < 1) throw badValidity();
  if (validityMs > limits.INVITE_VALIDITY_MS_MAX) throw badValidity();
  const alias = request.alias === undefined ? {} : { alias: checkAlias(request.alias, memberId) };
  const secret = newInviteSecret(random);
  const caPin = caPinOf(context.ca.certificatePem);
  return ledger.change(async (): Promise<Decision<CreatedPeerInvite>> => {
    const nowMs = clock.nowMs();
    const kept = listPeerInvites(context);
    checkRoom(kept, nowMs);
    if (alias.alias !== undefined) {
      // The domain is not known yet; no peer has this one.
      refuseTaken(alias.alias, trustDomain, records.all<PeerRecord>(PEER_PREFIX));
    }
    const record: PeerInviteRecord = {
      v: 1,
      id: newInviteId(random),
      ...alias,
      secretHash: hashInviteSecret(secret),
      notAfterMs: nowMs + validityMs,
      createdAtMs: nowMs,
      createdBy: by,
    };
    const code: InviteCode = { memberId, caPin, id: record.id, secret, endpoints };
    const key = peerInviteKey(record.id);
    const audit = { by, action: "peer.invite" as const, subject: `peer-invite/${record.id}` };
    return {
      result: { record, ...encodePeering(code) },
      change: {
        compare: [{ key, target: "version", is: "=", value: 0 }],
        operations: [put(key, record), ...forgetClosed(kept, nowMs)],
        audit: { ...audit, detail: { ...alias, notAfterMs: record.notAfterMs } },
      },
    };
  });
}

/** Newest first. */
export function listPeerInvites(context: AuthorityContext): PeerInviteRecord[] {
  return context.records
    .all<PeerInviteRecord>(PEER_INVITE_PREFIX)
    .sort((a, b) => b.createdAtMs - a.createdAtMs || (a.id < b.id ? -1 : 1));
}

export function isPeerInviteOpen(record: PeerInviteRecord, nowMs: number): boolean {
  const { use, revokedAtMs, notAfterMs } = record;
  return use === undefined && revokedAtMs === undefined && nowMs <= notAfterMs;
}

/** By its id. Again changes nothing. `MESH_INVITE_UNKNOWN`. */
export async function revokePeerInvite(
  context: AuthorityContext,
  by: string,
  id: string,
): Promise<PeerInviteRecord> {
  const { ledger, clock } = context;
  const key = keyOf(id);
  return ledger.change(async (): Promise<Decision<PeerInviteRecord>> => {
    const read = await ledger.read<PeerInviteRecord>(key);
    const { record } = read;
    if (record === undefined) throw new MeshError("MESH_INVITE_UNKNOWN");
    if (record.revokedAtMs !== undefined) return { result: record };
    const revoked: PeerInviteRecord = { ...record, revokedAtMs: clock.nowMs() };
    const audit = {
      by,
      action: "peer.revoke-invite" as const,
      subject: `peer-invite/${record.id}`,
    };
    const change = { compare: [unchanged(key, read)], operations: [put(key, revoked)], audit };
    return { result: revoked, change };
  });
}

/**
 * Another member takes a code of this one. `MESH_INVITE_UNKNOWN` for an unknown id and for a wrong
 * secret alike; whoever has the secret learns more: `MESH_INVITE_REVOKED`, `MESH_INVITE_USED`,
 * `MESH_INVITE_EXPIRED`, `MESH_PEER_EXISTS`, `MESH_BUNDLE_INVALID`, `MESH_LIMIT`.
 */
export async function redeemPeerInvite(
  context: AuthorityContext,
  request: PeerRedemption,
): Promise<PeerRecord> {
  const { ledger, clock, log } = context;
  const bundle = verifyOwnTrustBundle(request.bundle, clock.nowMs());
  const byCaPin = checkProof(context, request, bundle);
  const key = keyOf(request.inviteId);
  const peer = await ledger.change(async (): Promise<Decision<PeerRecord>> => {
    const read = await ledger.read<PeerInviteRecord>(key);
    const invite = read.record;
    const matches = inviteSecretMatches(request.secret, invite?.secretHash ?? NO_SECRET_HASH);
    if (invite === undefined || !matches) throw new MeshError("MESH_INVITE_UNKNOWN");
    if (invite.revokedAtMs !== undefined) throw new MeshError("MESH_INVITE_REVOKED");
    if (invite.use !== undefined) return { result: await peerAgain(context, invite, byCaPin) };
    if (clock.nowMs() > invite.notAfterMs) throw new MeshError("MESH_INVITE_EXPIRED");
    const acceptedBy = `peer-invite/${invite.id}`;
    const { record, change } = await newPeer(context, bundle, { alias: invite.alias, acceptedBy });
    const { trustDomain } = record;
    const used: PeerInviteRecord = {
      ...invite,
      use: { trustDomain, caPin: byCaPin, atMs: clock.nowMs() },
    };
    return {
      result: record,
      change: {
        compare: [...change.compare, unchanged(key, read)],
        operations: [...change.operations, put(key, used)],
        audit: acceptAudit(acceptedBy, record),
      },
    };
  });
  log.info("another member became a peer", { trustDomain: peer.trustDomain });
  return peer;
}

/** The answer to the same CA once more, while it is a peer; to another the code is used up. */
async function peerAgain(
  { ledger }: AuthorityContext,
  { use }: PeerInviteRecord,
  byCaPin: string,
): Promise<PeerRecord> {
  if (use?.caPin === byCaPin) {
    const { record } = await ledger.read<PeerRecord>(peerKey(use.trustDomain));
    if (record !== undefined) return record;
  }
  throw new MeshError("MESH_INVITE_USED", { message: "this code has been used already" });
}

/** The pin of the CA that redeems the code, when its key says so of this code and this member. */
function checkProof(
  { ca }: AuthorityContext,
  { inviteId, proof }: PeerRedemption,
  { caCertificatesPem }: SignedTrustBundle,
): string {
  const [first = ""] = caCertificatesPem;
  const byCaPin = caPinOf(first);
  const message = peeringMessage({ inviteId, caPin: caPinOf(ca.certificatePem), byCaPin });
  const isProven =
    SIGNATURE.test(proof) &&
    verifySignature(publicKeyDerOf(first), message, Buffer.from(proof, "base64"));
  if (isProven) return byCaPin;
  throw new MeshError("MESH_BUNDLE_INVALID", {
    message: "whoever redeems the code does not prove that the CA is its own",
  });
}

function keyOf(id: string): string {
  const plain = id.trim().toLowerCase();
  return PEER_INVITE_PREFIX + (INVITE_ID.test(plain) ? plain : "unknown");
}

function checkRoom(kept: readonly PeerInviteRecord[], nowMs: number): void {
  const open = kept.filter((record) => isPeerInviteOpen(record, nowMs));
  if (open.length < limits.PEER_INVITES_OPEN_MAX) return;
  throw new MeshError("MESH_LIMIT", {
    message: `there are ${limits.PEER_INVITES_OPEN_MAX} open codes for peers`,
    hint: "They end by themselves; `mesh peer list --json` shows them.",
  });
}

function forgetClosed(kept: readonly PeerInviteRecord[], nowMs: number): Operation[] {
  return kept
    .filter((record) => !isPeerInviteOpen(record, nowMs) && nowMs > record.notAfterMs + KEPT_MS)
    .slice(0, limits.PEER_INVITES_OPEN_MAX)
    .map((record) => ({ type: "delete", key: peerInviteKey(record.id) }));
}

function badValidity(): MeshError {
  const days = limits.INVITE_VALIDITY_MS_MAX / 86_400_000;
  return new MeshError("MESH_BAD_REQUEST", {
    message: `a code for a peer lasts up to ${days} days`,
  });
}
