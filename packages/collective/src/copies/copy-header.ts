/**
 * What a copy says about itself, inside its first piece: enough to find and rebuild the file
 * without any record of the home that wrote it. Whatever is read here was authenticated first, but
 * it may be of a newer version, so every field is checked.
 */
import { limits, MeshError } from "@hearthmesh/core";
import { damaged, HEADER_LENGTH_BYTES } from "./sealed-layout.js";

export interface CopyHeader {
  readonly v: 1;
  /** The immutable id of the content, or what names another thing that is kept sealed. */
  readonly label: string;
  readonly path: string;
  /** SPIFFE id. */
  readonly owner: string;
  readonly sizeBytes: number;
  readonly createdAtMs: number;
  readonly modifiedAtMs: number;
  /** See `ContentHash`. */
  readonly contentHash: string;
}

/** `u32 length | JSON`. `MESH_LIMIT` when it does not fit. */
export function encodeHeader(header: CopyHeader): Buffer {
  const json = Buffer.from(JSON.stringify(header), "utf8");
  if (json.length > limits.COPY_HEADER_BYTES_MAX) {
    throw new MeshError("MESH_LIMIT", {
      message: `what is noted about a file has over ${limits.COPY_HEADER_BYTES_MAX} bytes`,
      details: { path: header.path },
    });
  }
  const length = Buffer.alloc(HEADER_LENGTH_BYTES);
  length.writeUInt32BE(json.length);
  return Buffer.concat([length, json]);
}

/** The header and how many bytes of the plain run it takes. */
export function decodeHeader(plain: Uint8Array): { header: CopyHeader; bytes: number } {
  const view = Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength);
  if (view.length < HEADER_LENGTH_BYTES) throw damaged("it has no header");
  const end = HEADER_LENGTH_BYTES + view.readUInt32BE(0);
  if (end > view.length || end > HEADER_LENGTH_BYTES + limits.COPY_HEADER_BYTES_MAX) {
    throw damaged("its header is cut short");
  }
  return { header: readHeader(view.toString("utf8", HEADER_LENGTH_BYTES, end)), bytes: end };
}

function readHeader(text: string): CopyHeader {
  const value = parse(text);
  if (typeof value.v === "number" && value.v > 1) throw new MeshError("MESH_STORE_NEWER");
  const { v, label, path, owner, sizeBytes, createdAtMs, modifiedAtMs, contentHash } = value;
  const isWhole =
    v === 1 &&
    [label, path, owner, contentHash].every((one) => typeof one === "string") &&
    [createdAtMs, modifiedAtMs].every((one) => typeof one === "number") &&
    Number.isSafeInteger(sizeBytes) &&
    (sizeBytes as number) >= 0;
  if (!isWhole) throw damaged("its header is not readable");
  return value as unknown as CopyHeader;
}

function parse(text: string): Partial<Record<keyof CopyHeader, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (value !== null && typeof value === "object") return value;
  } catch {
    // The one error below.
  }
  throw damaged("its header is not readable");
}
