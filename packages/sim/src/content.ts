/** Bytes of test files: made again from a name and a size wherever they are needed, never kept. */
import { createCipheriv, createHash } from "node:crypto";

/** The content that this version has. Two versions differ in (nearly) every 16 bytes. */
export function contentOf(version: string, sizeBytes: number): Uint8Array {
  const key = createHash("sha256").update(version, "utf8").digest();
  const stream = createCipheriv("aes-128-ctr", key.subarray(0, 16), key.subarray(16, 32));
  return stream.update(new Uint8Array(sizeBytes));
}

/** Short name of some bytes for messages: their size and the start of their hash. */
export function fingerprint(bytes: Uint8Array): string {
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 12);
  return `${bytes.length} B ${hash}`;
}
