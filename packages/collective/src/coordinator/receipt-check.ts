/**
 * Which copies of the chunks of an upload are proved. A receipt counts once, for the very file,
 * index, chunk and size that the node saw, from a node of the layout. One that does not hold is not
 * counted, whatever its reason; what counts is whether enough are left.
 */
import { type ChunkId, type FileId, limits, MeshError, type NodeId } from "@hearthmesh/core";
import type { ChunkReceipt } from "../protocol.js";
import { checkReceipt } from "../storage/receipts.js";
import type { ChunkRef } from "../types.js";
import type { Condemned } from "./condemned.js";
import { acksNeeded, type DurabilityRule, isDurable } from "./durability.js";
import type { ReceiptKeys } from "./receipt-keys.js";
import type { StoredChunk } from "./references.js";

export interface ChunkClaim {
  readonly fileId: FileId;
  /** Index in the file of the first of the chunks. */
  readonly firstIndex: number;
  readonly chunks: readonly ChunkRef[];
  readonly receipts: readonly ChunkReceipt[];
}

/** `MESH_NO_STORAGE` when a chunk is not proved to be safe. */
export function checkClaim(
  claim: ChunkClaim,
  rule: DurabilityRule,
  receiptKeys: ReceiptKeys,
): StoredChunk[] {
  const placed = new Set<string>(rule.layout.nodes.map((node) => node.nodeId));
  const chunks = claim.chunks.map((chunk) => ({ id: chunk.id, stored: new Set<NodeId>() }));
  for (const { index, nodeId, receipt } of claim.receipts) {
    const at = index - claim.firstIndex;
    const ref = claim.chunks[at];
    if (ref === undefined || !placed.has(nodeId)) continue;
    const { fileId } = claim;
    const facts = { fileId, index, chunkId: ref.id, sizeBytes: ref.sizeBytes };
    if (checkReceipt(receiptKeys.keyOf(nodeId), facts, receipt)) chunks[at]?.stored.add(nodeId);
  }
  for (const [at, chunk] of chunks.entries()) {
    if (isDurable(rule, chunk.stored)) continue;
    const needed = Math.max(1, acksNeeded(rule.layout, rule.acks));
    const part = claim.firstIndex + at + 1;
    const found = chunk.stored.size;
    const wanted = `${needed} ${needed === 1 ? "copy" : "copies in distinct zones"}`;
    throw new MeshError("MESH_NO_STORAGE", {
      message: `part ${part} is not safe: a safe write needs ${wanted}; ${found} proved`,
      details: { needed, found },
    });
  }
  return chunks;
}

/** Looks again at copies whose receipts may be older than a deletion; see `Condemned`. */
export async function checkAgain(
  chunks: readonly StoredChunk[],
  uploadRevision: number,
  parts: {
    readonly condemned: Condemned;
    readonly rule: DurabilityRule;
    has(nodeId: NodeId, id: ChunkId): Promise<boolean>;
  },
): Promise<readonly StoredChunk[]> {
  const ids = chunks.map((chunk) => chunk.id);
  const stale = new Set(parts.condemned.staleFor(ids, uploadRevision));
  if (stale.size === 0) return chunks;
  const checked: StoredChunk[] = [];
  for (const chunk of chunks) {
    checked.push(stale.has(chunk.id) ? await lookAt(chunk, parts.has) : chunk);
  }
  if (checked.every((chunk) => isDurable(parts.rule, chunk.stored))) return checked;
  throw new MeshError("MESH_UPLOAD_UNKNOWN", {
    message: "a part of the upload was removed as garbage while it was under way",
  });
}

async function lookAt(
  chunk: StoredChunk,
  has: (nodeId: NodeId, id: ChunkId) => Promise<boolean>,
): Promise<StoredChunk> {
  const nodes = [...chunk.stored];
  // A node that does not answer proves nothing.
  const answers = await Promise.all(
    nodes.map((nodeId) => has(nodeId, chunk.id).catch(() => false)),
  );
  return { id: chunk.id, stored: new Set(nodes.filter((_, at) => answers[at] === true)) };
}

/** Sizes of the chunks of a file: full ones, and at the very end one that may be short. */
export function checkSizes(chunks: readonly ChunkRef[], isLast: boolean): number {
  let sum = 0;
  for (const [at, { sizeBytes }] of chunks.entries()) {
    const mayBeShort = isLast && at === chunks.length - 1;
    const fits = mayBeShort
      ? sizeBytes > 0 && sizeBytes <= limits.CHUNK_BYTES_MAX
      : sizeBytes === limits.CHUNK_BYTES_MAX;
    if (!fits) {
      throw new MeshError("MESH_BAD_REQUEST", {
        message: `every part but the last of a file has ${limits.CHUNK_BYTES_MAX} bytes`,
      });
    }
    sum += sizeBytes;
  }
  return sum;
}
