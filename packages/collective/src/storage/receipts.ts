/**
 * A storage node's word that a chunk is on its disk. The node and the coordinator share the receipt
 * key; the client that carries a receipt does not have it, so it cannot claim what was never
 * stored. HMAC-SHA-256 cut to 128 bits (RFC 2104, section 5).
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { ChunkId, FileId } from "@hearthmesh/core";

export const RECEIPT_KEY_BYTES = 32;
const RECEIPT_BYTES = 16;

/** What a receipt is about. */
export interface ReceiptFacts {
  readonly fileId: FileId;
  /** Index of the chunk in its file. */
  readonly index: number;
  readonly chunkId: ChunkId;
  readonly sizeBytes: number;
}

/** Base64url, 22 characters. `key` has `RECEIPT_KEY_BYTES`. */
export function makeReceipt(key: Uint8Array, facts: ReceiptFacts): string {
  return receiptBytes(key, facts).toString("base64url");
}

/** True when this key made the receipt for exactly these facts; compares in constant time. */
export function checkReceipt(key: Uint8Array, facts: ReceiptFacts, receipt: string): boolean {
  const given = Buffer.from(receipt, "base64url");
  return given.length === RECEIPT_BYTES && timingSafeEqual(given, receiptBytes(key, facts));
}

function receiptBytes(key: Uint8Array, facts: ReceiptFacts): Buffer {
  // Ids have a fixed length and an alphabet without `|`: two facts never give the same text.
  const text = `${facts.fileId}|${facts.index}|${facts.chunkId}|${facts.sizeBytes}`;
  return createHmac("sha256", key).update(text).digest().subarray(0, RECEIPT_BYTES);
}
