/**
 * New certificates for known keys. Renewal is for who still has a valid certificate; recovery for a
 * machine that was off until it ended: it proves its key, and a counter says how often that may be.
 *
 * Recovery does not ask whether the last certificate has ended: when an answer is lost on the way,
 * the coordinator believes in a certificate that the machine never got.
 */
import { limits, MeshError, type NodeId } from "@hearthmesh/core";
import {
  checkCertificateRequest,
  type IdentityRecord,
  isForeign,
  type Principal,
  recoveryMessage,
  verifySignature,
} from "@hearthmesh/identity";
import type { Compare, Operation } from "@hearthmesh/store";
import type { AuditAction } from "./audit.js";
import { endedProofs, identityKey, proofKey } from "./authority-keys.js";
import { type AuthorityContext, issueFor } from "./context.js";
import {
  type EnrolResult,
  identityWrites,
  refuseRevoked,
  toEnrolResult,
} from "./identity-write.js";
import { type Decision, put, unchanged } from "./ledger.js";
import { findIdentity, readIdentity } from "./name-claim.js";

/** Further names of a server's certificate. */
export interface ServerNames {
  dnsNames?: readonly string[];
  ipAddresses?: readonly string[];
}

/** For the caller itself and its present key. `MESH_CERT_INVALID` when the request has another. */
export async function renew(
  context: AuthorityContext,
  principal: Principal,
  csrPem: string,
  names: ServerNames = {},
): Promise<EnrolResult> {
  const { publicKeyDer, nodeId } = await checkCertificateRequest(csrPem);
  // The same key may be known here: a certificate of another member says nothing about that.
  if (isForeign(principal)) {
    throw new MeshError("MESH_FORBIDDEN", {
      message: `${principal.name} gets its certificates from ${principal.trustDomain}`,
    });
  }
  if (nodeId !== principal.nodeId) {
    throw new MeshError("MESH_CERT_INVALID", {
      message: "the request is for another key than the certificate that asks",
    });
  }
  const served = principal.kind === "coordinator" ? names : {};
  return reissue(context, { publicKeyDer, nodeId, ...served }, "identity.renew", (record) => ({
    record,
  }));
}

export interface RecoverRequest {
  nodeId: string;
  csrPem: string;
  signedAtMs: number;
  /** 64 bytes (IEEE P1363) over `recoveryMessage`. */
  signature: Uint8Array;
}

/**
 * `MESH_UNAUTHENTICATED` for a proof that is wrong, too old or used before; `MESH_CERT_UNTRUSTED`
 * for a key that was never let in, `MESH_CERT_REVOKED`, `MESH_RECOVERY_EXHAUSTED`.
 */
export async function recover(
  context: AuthorityContext,
  request: RecoverRequest,
): Promise<EnrolResult> {
  const { publicKeyDer, nodeId } = await checkCertificateRequest(request.csrPem);
  const { csrPem, signedAtMs, signature } = request;
  const message = recoveryMessage({ nodeId, csrPem, signedAtMs, member: context.trustDomain });
  if (request.nodeId !== nodeId || !verifySignature(publicKeyDer, message, signature)) {
    throw unproved("the proof was not made with the key of this identity");
  }
  const ageMs = Math.abs(context.clock.nowMs() - signedAtMs);
  if (!(ageMs <= limits.RECOVERY_PROOF_AGE_MS_MAX)) {
    throw unproved(
      "the proof was not made just now: check that the clocks of both sides are right",
    );
  }
  const proof = proofKey(signedAtMs + limits.RECOVERY_PROOF_AGE_MS_MAX, message);
  return reissue(context, { publicKeyDer, nodeId }, "identity.recover", async (record) => {
    const used = await context.ledger.read(proof);
    if (used.record !== undefined) throw unproved("the proof was used before");
    if (record.recoveries >= limits.RECOVERIES_MAX) throw new MeshError("MESH_RECOVERY_EXHAUSTED");
    return {
      record: { ...record, recoveries: record.recoveries + 1 },
      compare: [unchanged(proof, used)],
      operations: [
        put(proof, { v: 1 }),
        { type: "deleteRange", range: endedProofs(context.clock.nowMs()) },
      ],
    };
  });
}

/** Sets the counter of recoveries back. `MESH_NOT_FOUND`. */
export function allowRecovery(
  context: AuthorityContext,
  by: Principal,
  idOrName: string,
): Promise<IdentityRecord> {
  return context.ledger.change(async (): Promise<Decision<IdentityRecord>> => {
    const found = findIdentity(context, idOrName);
    const read = found === undefined ? undefined : await readIdentity(context, found.nodeId);
    if (found === undefined || read?.record === undefined) {
      throw new MeshError("MESH_NOT_FOUND", { message: `there is no identity ${idOrName}` });
    }
    refuseRevoked(context, found.nodeId);
    const record = { ...read.record, recoveries: 0 };
    const key = identityKey(found.nodeId);
    const audit = {
      by: by.spiffeId,
      action: "identity.allow-recovery" as const,
      subject: record.spiffeId,
    };
    return {
      result: record,
      change: { compare: [unchanged(key, read)], operations: [put(key, record)], audit },
    };
  });
}

interface Reissue {
  record: IdentityRecord;
  compare?: readonly Compare[];
  operations?: readonly Operation[];
}

async function reissue(
  context: AuthorityContext,
  subject: ServerNames & { publicKeyDer: Uint8Array; nodeId: NodeId },
  action: AuditAction,
  decide: (record: IdentityRecord) => Reissue | Promise<Reissue>,
): Promise<EnrolResult> {
  const result = await context.ledger.change(async (): Promise<Decision<EnrolResult>> => {
    refuseRevoked(context, subject.nodeId);
    const previous = await readIdentity(context, subject.nodeId);
    if (previous.record === undefined) {
      throw new MeshError("MESH_CERT_UNTRUSTED", { message: "this member does not know the key" });
    }
    const { record, compare = [], operations = [] } = await decide(previous.record);
    const { kind, name } = record;
    const certificate = await issueFor(context, { ...subject, kind, name });
    const { serial, notAfterMs } = certificate;
    const renewed: IdentityRecord = { ...record, serial, certificateNotAfterMs: notAfterMs };
    const writes = identityWrites(context, renewed, previous);
    const { spiffeId, recoveries } = renewed;
    return {
      result: toEnrolResult(context, renewed, certificate),
      change: {
        compare: [...compare, ...writes.compare],
        operations: [...operations, ...writes.operations],
        audit: { by: spiffeId, action, subject: spiffeId, detail: { serial, recoveries } },
      },
    };
  });
  context.log.info(action === "identity.renew" ? "renewed a certificate" : "let a key back in", {
    principal: result.spiffeId,
    serial: result.serial,
  });
  return result;
}

function unproved(message: string): MeshError {
  return new MeshError("MESH_UNAUTHENTICATED", {
    message,
    hint: "Try again; if it stays, ask the operator for a new invite.",
  });
}
