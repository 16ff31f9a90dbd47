/**
 * The certificates of other nodes, and the records that wait for one. A record is believed when the
 * certificate of its node was issued by this member, has not ended too long ago, is not revoked,
 * and its key made the proof.
 *
 * States of a node: unknown; known; ended (known, and to be fetched anew; it proves records for
 * `CERTIFICATE_GRACE_MS` more). Invariants: no certificate that `verifyCertificate` did not accept;
 * of two of one node the one that ends later stays; at most `NODES_MAX` certificates and
 * `PENDING_RECORDS_MAX` waiting records, one for each node.
 */
import { createHash } from "node:crypto";
import type { NodeId } from "@hearthmesh/core";
import { NODES_MAX } from "../limits.js";
import { verifyRecord } from "../record-proof.js";
import type { NodeRecord } from "../swim/messages.js";
import {
  CERTIFICATE_BYTES_MAX,
  CERTIFICATE_GRACE_MS,
  CERTIFICATE_RENEW_MS,
  CERTIFICATE_TRIES_MAX,
  PENDING_RECORD_MS_MAX,
  PENDING_RECORDS_MAX,
} from "./limits.js";

export interface VerifiedCertificate {
  readonly nodeId: NodeId;
  /** SPKI, DER. */
  readonly publicKey: Uint8Array;
  /** Milliseconds since 1970. */
  readonly notAfterMs: number;
  /** When it is given, records of the node must have this name. */
  readonly name?: string;
}

export interface CertificateBookOptions {
  /** Who a leaf (DER) speaks for; throws for one that is not of this member, or not valid now. */
  verifyCertificate(der: Uint8Array): VerifiedCertificate;
  isRevoked(nodeId: NodeId): boolean;
  /** Milliseconds since 1970, since certificates speak of that time. */
  nowMs(): number;
}

interface Known extends VerifiedCertificate {
  readonly der: Uint8Array;
}

/** A record whose node's certificate is not here. */
export interface PendingRecord {
  readonly record: NodeRecord;
  /** Who told of it, and so should have the certificate. */
  readonly teller: NodeId;
  /** Of the monotonic clock. */
  readonly sinceMs: number;
  tries: number;
}

export class CertificateBook {
  readonly #options: CertificateBookOptions;
  readonly #known = new Map<NodeId, Known>();
  /** Of the certificates in `#known`. */
  readonly #hashes = new Set<string>();
  readonly #pending = new Map<NodeId, PendingRecord>();

  constructor(options: CertificateBookOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#known.size;
  }

  get pendingCount(): number {
    return this.#pending.size;
  }

  /** Whose certificate it is, or undefined when it was refused; never throws. */
  add(der: Uint8Array): NodeId | undefined {
    if (der.length === 0 || der.length > CERTIFICATE_BYTES_MAX) return undefined;
    try {
      const verified = this.#options.verifyCertificate(der);
      const { nodeId, notAfterMs } = verified;
      if (this.#options.isRevoked(nodeId)) return undefined;
      const known = this.#known.get(nodeId);
      if (known !== undefined && known.notAfterMs >= notAfterMs) return nodeId;
      if (known === undefined && this.#known.size >= NODES_MAX) return undefined;
      // A copy, so that no certificate holds the message that it came in.
      if (known !== undefined) this.#hashes.delete(hashOf(known.der));
      this.#known.set(nodeId, { ...verified, der: new Uint8Array(der) });
      this.#hashes.add(hashOf(der));
      return nodeId;
    } catch {
      return undefined;
    }
  }

  /** Whether exactly this certificate was added before. */
  has(der: Uint8Array): boolean {
    return this.#hashes.has(hashOf(der));
  }

  certificate(nodeId: NodeId): Uint8Array | undefined {
    return this.#known.get(nodeId)?.der;
  }

  /** SPKI, DER. */
  publicKey(nodeId: NodeId): Uint8Array | undefined {
    return this.isUsable(nodeId) ? this.#known.get(nodeId)?.publicKey : undefined;
  }

  /** Whether records of the node can be verified here. */
  isUsable(nodeId: NodeId): boolean {
    const known = this.#known.get(nodeId);
    if (known === undefined || this.#options.isRevoked(nodeId)) return false;
    return this.#options.nowMs() <= known.notAfterMs + CERTIFICATE_GRACE_MS;
  }

  /** Nodes whose certificate has ended or soon will: there is a newer one somewhere. */
  ending(): NodeId[] {
    const untilMs = this.#options.nowMs() + CERTIFICATE_RENEW_MS;
    return [...this.#known.values()]
      .filter(({ notAfterMs }) => notAfterMs < untilMs)
      .map(({ nodeId }) => nodeId);
  }

  verify(record: NodeRecord): boolean {
    const publicKey = this.publicKey(record.nodeId);
    const name = this.#known.get(record.nodeId)?.name;
    if (publicKey === undefined || (name !== undefined && name !== record.name)) return false;
    return verifyRecord(record, publicKey);
  }

  /** Keeps a record until the certificate is here. False when there is no room. */
  defer(record: NodeRecord, teller: NodeId, nowMs: number): boolean {
    if (this.#options.isRevoked(record.nodeId)) return false;
    const before = this.#pending.get(record.nodeId);
    if (before === undefined && this.#pending.size >= PENDING_RECORDS_MAX) return false;
    if (before !== undefined) {
      // None of them is verified yet: the newest is tried, and an exchange brings the other.
      if (before.record.incarnation >= record.incarnation) return true;
      this.#pending.set(record.nodeId, { ...before, record, teller });
      return true;
    }
    this.#pending.set(record.nodeId, { record, teller, sinceMs: nowMs, tries: 0 });
    return true;
  }

  /** The record that waited for this node's certificate, once. */
  takePending(nodeId: NodeId): PendingRecord | undefined {
    const pending = this.#pending.get(nodeId);
    this.#pending.delete(nodeId);
    return pending;
  }

  /** Those that still wait; the ones that waited too long or were tried too often are dropped. */
  waiting(nowMs: number): PendingRecord[] {
    for (const [nodeId, { sinceMs, tries }] of this.#pending) {
      const isLate = nowMs - sinceMs > PENDING_RECORD_MS_MAX;
      if (isLate || tries >= CERTIFICATE_TRIES_MAX) this.#pending.delete(nodeId);
    }
    return [...this.#pending.values()];
  }

  remove(nodeId: NodeId): void {
    const known = this.#known.get(nodeId);
    if (known !== undefined) this.#hashes.delete(hashOf(known.der));
    this.#known.delete(nodeId);
    this.#pending.delete(nodeId);
  }
}

function hashOf(der: Uint8Array): string {
  return createHash("sha256").update(der).digest("base64");
}
