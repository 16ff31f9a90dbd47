/** Failures that an operation may honestly have while things go wrong around it. */
import { type ErrorCode, isMeshError } from "@hearthmesh/core";

/**
 * Not here, and so a violation whenever a client sees it: wrong bytes that reached a caller
 * (`MESH_CHUNK_MISMATCH`), anything that nobody foresaw (`MESH_INTERNAL`), a peer that broke the
 * protocol (`MESH_PROTOCOL`), and refusals of what is allowed.
 */
const allowed: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "MESH_UNREACHABLE",
  "MESH_TIMEOUT",
  "MESH_STOPPING",
  "MESH_LIMIT",
  "MESH_NO_STORAGE",
  "MESH_CHUNK_UNAVAILABLE",
  "MESH_DISK_FULL",
  "MESH_DISK_FAILED",
  "MESH_STORE_BUSY",
  "MESH_STORE_CLOSED",
  "MESH_UPLOAD_UNKNOWN",
  "MESH_TICKET_INVALID",
  "MESH_EPOCH_OLD",
  "MESH_LAYOUT_CHANGED",
]);

export function isAllowedFailure(error: unknown): boolean {
  return isMeshError(error) && allowed.has(error.code);
}
