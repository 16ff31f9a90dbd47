/**
 * The audit trail: one record for each change of trust, written in the transaction of the change.
 * Each holds the hash of the one before it, so that a record that was changed or taken out shows.
 */
import { createHash } from "node:crypto";
import { canonicalJson, limits, MeshError } from "@hearthmesh/core";
import type { KeyValue, Store } from "@hearthmesh/store";
import { AUDIT_HEAD_KEY, auditKey, auditRange } from "./authority-keys.js";
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
  | "identity.revoke"
  | "key.create"
  | "key.revoke"
  | "node.introduce"
  | "node.remove"
  | "node.allow"
  | "grant.add"
  | "grant.remove"
  | "peer.invite"
  | "peer.revoke-invite"
  | "peer.accept"
  | "peer.refresh"
  | "peer.remove"
  | "pool.create"
  | "pool.admit"
  | "pool.remove-member"
  | "pool.adopt"
  | "pool.pair"
  | "pool.pair-failed"
  | "healing.ease-node"
  | "healing.quarantine-node"
  | "healing.release-node"
  | "healing.step-down"
  | "quota.offer"
  | "quota.withdraw"
  | "healing.pause"
  | "healing.resume"
  | "healing.dry-run";

/** What a change says about itself. Never a secret. */
export interface AuditNote {
  /** SPIFFE id of who asked, `key/<id>` for an API key, `invite/<id>` for a newcomer. */
  readonly by: string;
  readonly action: AuditAction;
  /** What was changed: a SPIFFE id, `invite/<id>`, `key/<id>`, `grant/<id>` or `node/<node id>`. */
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

/** Sequence number of the newest record; 0 when there is none. */
export async function auditLength(store: Store): Promise<number> {
  return (await readHead(store)).sequence;
}

async function readHead(store: Store): Promise<AuditHead> {
  const stored = await store.get(AUDIT_HEAD_KEY);
  return stored === undefined ? EMPTY_AUDIT_HEAD : decodeRecord<AuditHead>(stored);
}

/** What a walk over the whole trail found. */
export interface AuditVerdict {
  readonly ok: boolean;
  /** Records that were looked at. */
  readonly records: number;
  /** Sequence number of the oldest that is kept; 0 for an empty trail. */
  readonly first: number;
  /** The first record that is missing, changed or out of its place. */
  readonly brokenAt?: number;
  readonly reason?: string;
}

/** Walks over all records that are kept, up to the head. */
export async function verifyAudit(store: Store): Promise<AuditVerdict> {
  const head = await readHead(store);
  const oldest = Math.max(1, head.sequence - limits.AUDIT_RECORDS_MAX + 1);
  let before: AuditRecord | undefined;
  let seen = 0;
  for (let sequence = oldest; sequence <= head.sequence; ) {
    const range = auditRange(sequence - 1);
    const page = await store.range(range, { limit: limits.AUDIT_PAGE_RECORDS_MAX });
    for (const entry of page.entries) {
      if (sequence > head.sequence) break;
      const found = checkEntry(entry, sequence, before);
      if (typeof found === "string") return broken(seen, oldest, sequence, found);
      before = found;
      sequence++;
      seen++;
    }
    if (!page.more && sequence <= head.sequence) {
      return broken(seen, oldest, sequence, "the record is missing");
    }
  }
  if (before !== undefined && hashOfAudit(before) !== head.hash) {
    return broken(
      seen,
      oldest,
      head.sequence,
      "the record is not the one that the trail ends with",
    );
  }
  return { ok: true, records: seen, first: head.sequence === 0 ? 0 : oldest };
}

/** The record in its place, or what is wrong with it. */
function checkEntry(
  entry: KeyValue,
  sequence: number,
  before: AuditRecord | undefined,
): AuditRecord | string {
  if (entry.key !== auditKey(sequence)) return "the record is missing";
  const record = readable(entry);
  if (record === undefined || record.sequence !== sequence) return "the record is not readable";
  const previous = sequence === 1 ? EMPTY_AUDIT_HEAD.hash : undefined;
  const expected = before === undefined ? previous : hashOfAudit(before);
  if (expected === undefined || record.previousHash === expected) return record;
  return "the record does not follow from the one before it: one of the two was changed";
}

function readable(entry: KeyValue): AuditRecord | undefined {
  try {
    return decodeRecord<AuditRecord>(entry);
  } catch {
    return undefined;
  }
}

function broken(records: number, first: number, brokenAt: number, reason: string): AuditVerdict {
  return { ok: false, records, first, brokenAt, reason };
}
