/**
 * What a node signs with its key when its certificate has expired and it wants to be let back in.
 */
import { createHash } from "node:crypto";
import { canonicalJson, type NodeId } from "@hearthmesh/core";

export interface RecoveryClaim {
  nodeId: NodeId;
  /** The request for the new certificate, of the same key. */
  csrPem: string;
  signedAtMs: number;
  /** Trust domain of the member that is asked: a proof for one is worth nothing at another. */
  member: string;
}

/** The bytes to sign (see `signerOf`): a fixed first line, then canonical JSON. */
export function recoveryMessage(claim: RecoveryClaim): Uint8Array {
  const { nodeId, csrPem, signedAtMs, member } = claim;
  const csrHash = createHash("sha256").update(csrPem, "utf8").digest("hex");
  const text = canonicalJson({ nodeId, csrHash, signedAtMs, member });
  return Buffer.from(`hearthmesh-recovery-v1\n${text}`, "utf8");
}
