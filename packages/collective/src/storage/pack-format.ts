/**
 * The bytes of a pack file. A pack is a 32-byte header, then records without gaps:
 *
 *     pack header   "HMPACK\0" | version u8 | pack number u32 | salt 8 bytes | zeros | CRC-32 u32
 *     record        head (80 bytes and the owner's name) | payload
 *     record head   0 magic u32 | 4 kind u8 | 5 version u8 | 6 owner bytes u16
 *                   8 payload bytes u32 | 12 CRC-32 u32 | 16 index u32 | 20 synced bytes u32
 *                   24 time f64 | 32 id | 64 file id
 *
 * Numbers are big-endian. A record's CRC covers the salt, its head and the owner; its payload is
 * covered by the id, which is the payload's BLAKE3. The salt is random and never leaves the disk,
 * so nobody can upload a chunk whose bytes would pass for a record when a damaged pack is searched.
 * "Synced bytes" is how much of the pack was known to be on disk when the record was written:
 * after a crash only what lies behind the highest of them has to be read and hashed again.
 */
import { crc32 } from "node:zlib";
import { type ChunkId, type FileId, MeshError } from "@hearthmesh/core";
import type { ChunkHeader } from "../types.js";

export const PACK_HEADER_BYTES = 32;
export const RECORD_HEAD_BYTES_MIN = 80;
export const CHUNK_ID_BYTES = 32;
export const SALT_BYTES = 8;
/** A SPIFFE id has at most 2,048 bytes (SPIFFE-ID, section 2.3). */
export const OWNER_BYTES_MAX = 2048;
export const RECORD_HEAD_BYTES_MAX = RECORD_HEAD_BYTES_MIN + OWNER_BYTES_MAX;
export const RECORD_MAGIC = Buffer.from("HMR\x01", "latin1");

const PACK_MAGIC = Buffer.from("HMPACK\0", "latin1");
const PACK_VERSION = 1;
const RECORD_VERSION = 1;

/** A tombstone says that the chunk was deleted; it has no payload. */
export type RecordKind = "chunk" | "tombstone";

const KIND_CODES: Readonly<Record<RecordKind, number>> = { chunk: 1, tombstone: 2 };

export interface RecordHead {
  readonly kind: RecordKind;
  readonly id: Buffer;
  /** 32 hexadecimal digits; zeros in a tombstone. */
  readonly fileId: string;
  readonly index: number;
  readonly owner: string;
  readonly atMs: number;
  readonly payloadBytes: number;
}

/** A head as it was read, with what only the pack knows. */
export interface StoredHead extends RecordHead {
  readonly syncedBytes: number;
  readonly headBytes: number;
  /** Head and payload. */
  readonly recordBytes: number;
}

export function encodePackHeader(number: number, salt: Uint8Array): Buffer {
  const bytes = Buffer.alloc(PACK_HEADER_BYTES);
  PACK_MAGIC.copy(bytes, 0);
  bytes.writeUInt8(PACK_VERSION, 7);
  bytes.writeUInt32BE(number, 8);
  bytes.set(salt, 12);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 28)), 28);
  return bytes;
}

/** The pack's salt, or undefined when the header is damaged. Throws `MESH_STORE_NEWER`. */
export function decodePackHeader(header: Uint8Array, number: number): Buffer | undefined {
  const bytes = asBuffer(header);
  if (bytes.length < PACK_HEADER_BYTES || !bytes.subarray(0, 7).equals(PACK_MAGIC)) {
    return undefined;
  }
  if (bytes.readUInt32BE(28) !== crc32(bytes.subarray(0, 28))) return undefined;
  if (bytes.readUInt8(7) > PACK_VERSION) {
    throw new MeshError("MESH_STORE_NEWER", {
      message: `pack ${number} was written by a newer version of the program`,
    });
  }
  return bytes.readUInt32BE(8) === number ? Buffer.from(bytes.subarray(12, 20)) : undefined;
}

export function chunkHead(header: ChunkHeader): RecordHead {
  return {
    kind: "chunk",
    id: Buffer.from(header.id, "hex"),
    fileId: header.fileId,
    index: header.index,
    owner: header.owner,
    atMs: header.atMs,
    payloadBytes: header.sizeBytes,
  };
}

export function tombstoneHead(id: Buffer, atMs: number): RecordHead {
  const fileId = "0".repeat(32);
  return { kind: "tombstone", id, fileId, index: 0, owner: "", atMs, payloadBytes: 0 };
}

export function chunkHeaderOf(head: RecordHead): ChunkHeader {
  return {
    v: 1,
    id: head.id.toString("hex") as ChunkId,
    fileId: head.fileId as FileId,
    index: head.index,
    owner: head.owner,
    atMs: head.atMs,
    sizeBytes: head.payloadBytes,
  };
}

export function recordBytesOf(head: RecordHead): number {
  return RECORD_HEAD_BYTES_MIN + Buffer.byteLength(head.owner) + head.payloadBytes;
}

export function encodeRecordHead(head: RecordHead, salt: Uint8Array, syncedBytes: number): Buffer {
  const ownerBytes = Buffer.byteLength(head.owner);
  const bytes = Buffer.alloc(RECORD_HEAD_BYTES_MIN + ownerBytes);
  RECORD_MAGIC.copy(bytes, 0);
  bytes.writeUInt8(KIND_CODES[head.kind], 4);
  bytes.writeUInt8(RECORD_VERSION, 5);
  bytes.writeUInt16BE(ownerBytes, 6);
  bytes.writeUInt32BE(head.payloadBytes, 8);
  bytes.writeUInt32BE(head.index, 16);
  bytes.writeUInt32BE(syncedBytes, 20);
  bytes.writeDoubleBE(head.atMs, 24);
  head.id.copy(bytes, 32);
  bytes.write(head.fileId, 64, 16, "hex");
  bytes.write(head.owner, RECORD_HEAD_BYTES_MIN, "utf8");
  bytes.writeUInt32BE(headCrc(bytes, salt), 12);
  return bytes;
}

/** Length of the head that may begin here; undefined when none does. Needs the first 80 bytes. */
export function headBytesAt(bytes: Buffer): number | undefined {
  if (bytes.length < RECORD_HEAD_BYTES_MIN) return undefined;
  if (!bytes.subarray(0, 4).equals(RECORD_MAGIC)) return undefined;
  const ownerBytes = bytes.readUInt16BE(6);
  return ownerBytes <= OWNER_BYTES_MAX ? RECORD_HEAD_BYTES_MIN + ownerBytes : undefined;
}

/** The head that begins at the first byte, or undefined when it is damaged or none at all. */
export function decodeRecordHead(record: Uint8Array, salt: Uint8Array): StoredHead | undefined {
  const bytes = asBuffer(record);
  const headBytes = headBytesAt(bytes);
  if (headBytes === undefined || bytes.length < headBytes) return undefined;
  const head = bytes.subarray(0, headBytes);
  if (head.readUInt32BE(12) !== headCrc(head, salt)) return undefined;
  const kind = kindOf(head.readUInt8(4));
  if (kind === undefined || head.readUInt8(5) !== RECORD_VERSION) return undefined;
  const payloadBytes = head.readUInt32BE(8);
  return {
    kind,
    id: Buffer.from(head.subarray(32, 64)),
    fileId: head.toString("hex", 64, 80),
    index: head.readUInt32BE(16),
    owner: head.toString("utf8", RECORD_HEAD_BYTES_MIN),
    atMs: head.readDoubleBE(24),
    payloadBytes,
    syncedBytes: head.readUInt32BE(20),
    headBytes,
    recordBytes: headBytes + payloadBytes,
  };
}

export function kindOf(code: number): RecordKind | undefined {
  if (code === KIND_CODES.chunk) return "chunk";
  return code === KIND_CODES.tombstone ? "tombstone" : undefined;
}

export function kindCode(kind: RecordKind): number {
  return KIND_CODES[kind];
}

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function headCrc(head: Buffer, salt: Uint8Array): number {
  // The checksum's own four bytes are left out.
  return crc32(head.subarray(16), crc32(head.subarray(0, 12), crc32(salt)));
}
