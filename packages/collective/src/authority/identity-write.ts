/** What every change of an identity writes, and what its holder gets. */
import { type MemberId, MeshError, type NodeId, type TrustDomain } from "@hearthmesh/core";
import type { Grant, IdentityRecord, IssuedCertificate, NodeRole } from "@hearthmesh/identity";
import type { Compare, Operation } from "@hearthmesh/store";
import { endedSerials, identityKey, serialKey } from "./authority-keys.js";
import type { AuthorityContext } from "./context.js";
import { put, unchanged, type Versionable } from "./ledger.js";
import type { Versioned } from "./records.js";

/** What somebody who was let in gets. */
export interface EnrolResult {
  readonly certificatePem: string;
  readonly caCertificatePem: string;
  readonly memberId: MemberId;
  readonly trustDomain: TrustDomain;
  readonly spiffeId: string;
  readonly name: string;
  readonly nodeId: NodeId;
  readonly grants: readonly Grant[];
  readonly roles: readonly NodeRole[];
  /** Lower-case hexadecimal. */
  readonly serial: string;
  readonly notAfterMs: number;
}

export function toEnrolResult(
  context: AuthorityContext,
  record: IdentityRecord,
  certificate: IssuedCertificate,
): EnrolResult {
  const { spiffeId, name, nodeId, grants, roles } = record;
  const { certificatePem, serial, notAfterMs } = certificate;
  const { memberId, trustDomain, ca } = context;
  return {
    certificatePem,
    caCertificatePem: ca.certificatePem,
    memberId,
    trustDomain,
    spiffeId,
    name,
    nodeId,
    grants,
    roles,
    serial,
    notAfterMs,
  };
}

interface SerialRecord extends Versioned {
  readonly nodeId: NodeId;
  readonly spiffeId: string;
  readonly issuedAtMs: number;
}

/** The identity and the serial of its new certificate; serials that have ended go. */
export function identityWrites(
  context: AuthorityContext,
  record: IdentityRecord,
  previous: Versionable<IdentityRecord>,
): { compare: Compare[]; operations: Operation[] } {
  const nowMs = context.clock.nowMs();
  const { nodeId, spiffeId, serial, certificateNotAfterMs } = record;
  const issued: SerialRecord = { v: 1, nodeId, spiffeId, issuedAtMs: nowMs };
  return {
    compare: [unchanged(identityKey(nodeId), previous)],
    operations: [
      put(identityKey(nodeId), record),
      put(serialKey(certificateNotAfterMs, serial), issued),
      { type: "deleteRange", range: endedSerials(nowMs) },
    ],
  };
}

/** `MESH_CERT_REVOKED` for a key that is revoked, itself or with whoever let it in. */
export function refuseRevoked(context: AuthorityContext, nodeId: NodeId): void {
  if (!context.cache.isRevoked(nodeId)) return;
  throw new MeshError("MESH_CERT_REVOKED", {
    message: "the key was revoked",
    hint: "Make a new key, and ask the operator for a new invite.",
  });
}
