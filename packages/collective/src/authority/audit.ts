/**
 * The audit trail: one record for each change of trust, written in the transaction of the change.
 * Each holds the hash of the one before it, so that a record that was changed or taken out shows.
 */
import { createHash } from "node:crypto";
import { canonicalJson, limits, MeshError } from "@hearthmesh/core";
import type { Store } from "@hearthmesh/store";
import { auditRange } from "./authority-keys.js";
import { decodeRecord, type Versioned } from "./records.js";

export type AuditAction =
  | "authority.create"
  | "coordinator.enrol"
  | "invite.create"
  | "invite.revoke"
  | "identity.enrol"
  | "identity.renew"
  | "identity.recover"
  | "identity.allow-recovery"
  | "identity.revoke";

/** What a change says about itself. Never a secret. */
export interface AuditNote {
  /** SPIFFE id of who asked, or `invite/<id>` for a newcomer. */
  readonly by: string;
  readonly action: AuditAction;
  /** What was changed: a SPIFFE id or `invite/<id>`. */
  readonly subject: string;
  readonly detail?: Readonly<Record<string, string | number | readonly string[]>>;
}

export interface AuditRecord extends Versioned, AuditNote {
  /** 1 for the first, then one more each. */
  readonly sequence: number;
  readonly atMs: number;
  /** Hexadecimal SHA-256 of the record before; 64 zeros for the first. */
  readonly previousHash: string;
}

/** Where the trail stands. */
export interface AuditHead extends Versioned {
  readonly sequence: number;
  readonly hash: string;
}

export const EMPTY_AUDIT_HEAD: AuditHead = { v: 1, sequence: 0, hash: "0".repeat(64) };

/** The next record and the head after it. */
export function nextAuditRecord(
  head: AuditHead,
  note: AuditNote,
  atMs: number,
): { record: AuditRecord; head: AuditHead } {
  const sequence = head.sequence + 1;
  const record: AuditRecord = { v: 1, ...note, sequence, atMs, previousHash: head.hash };
  return { record, head: { v: 1, sequence, hash: hashOfAudit(record) } };
}

/** What the next record must have as its `previousHash`. */
export function hashOfAudit(record: AuditRecord): string {
  return createHash("sha256").update(canonicalJson(record)).digest("hex");
}

export interface AuditPage {
  readonly records: readonly AuditRecord[];
  /** There are later ones. */
  readonly more: boolean;
}

/** Records after a sequence number, oldest first. Throws `MESH_STORE_CORRUPT` at a broken chain. */
export async function readAudit(
  store: Store,
  options: { after?: number; limit?: number },
): Promise<AuditPage> {
  const limit = Math.min(options.limit ?? 100, limits.AUDIT_PAGE_RECORDS_MAX);
  const page = await store.range(auditRange(options.after ?? 0), { limit });
  const records = page.entries.map((entry) => decodeRecord<AuditRecord>(entry));
  records.forEach((record, index) => {
    const before = records[index - 1];
    if (before !== undefined && record.previousHash !== hashOfAudit(before)) {
      throw new MeshError("MESH_STORE_CORRUPT", {
        message: `the audit record ${record.sequence} does not follow from the one before it`,
      });
    }
  });
  return { records, more: page.more };
}
