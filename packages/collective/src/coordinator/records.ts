/**
 * The values of the coordinator's rows. Each begins with, or holds, a version; a row of a newer
 * version is refused and left alone (`MESH_STORE_NEWER`).
 *
 * Entry, segment, reference and dead row: `version u8 | ...` binary, because they are many.
 * The others are JSON with `v`.
 */
import { type ChunkId, type FileId, limits, MeshError, type NodeId } from "@hearthmesh/core";
import type { Entry } from "../types.js";

const VERSION = 1;
const ID_BYTES = 32;

export interface DirectoryRecord {
  readonly kind: "directory";
  readonly fileId: FileId;
  readonly createdAtMs: number;
  /** Directories do not change with their children: a shared row would serialise the writers. */
  readonly modifiedAtMs: number;
  readonly owner: string;
}

export interface FileRecord {
  readonly kind: "file";
  /** New with every content: it is the etag. */
  readonly fileId: FileId;
  readonly sizeBytes: number;
  readonly createdAtMs: number;
  readonly modifiedAtMs: number;
  readonly owner: string;
  /** 0 for inline content. */
  readonly chunkCount: number;
  readonly inline?: Uint8Array;
  /** All chunks, when they are at most `ENTRY_CHUNKS_MAX`; longer files have segments. */
  readonly chunks?: readonly ChunkId[];
}

export type EntryRecord = DirectoryRecord | FileRecord;

/** `version u8 | u16 length of the JSON | JSON | inline bytes or chunk ids`. */
export function encodeEntry(record: EntryRecord): Uint8Array {
  if (record.kind === "directory") return joinHead(record, []);
  const { inline, chunks, ...head } = record;
  if (inline !== undefined) return joinHead({ ...head, content: "inline" }, [inline]);
  if (chunks === undefined) return joinHead({ ...head, content: "segments" }, []);
  return joinHead({ ...head, content: "chunks" }, chunks.map(idBytes));
}

export function decodeEntry(value: Uint8Array): EntryRecord {
  const { head, rest } = splitHead<EntryRecord & { content?: string }>(value);
  if (head.kind === "directory") return head;
  const { content, ...record } = head;
  if (content === "inline") return { ...record, inline: rest };
  return content === "chunks" ? { ...record, chunks: readIds(rest) } : record;
}

export function entryOf(path: string, name: string, record: EntryRecord): Entry {
  return {
    path,
    name,
    kind: record.kind,
    fileId: record.fileId,
    sizeBytes: record.kind === "file" ? record.sizeBytes : 0,
    createdAtMs: record.createdAtMs,
    modifiedAtMs: record.modifiedAtMs,
    owner: record.owner,
    etag: record.fileId,
  };
}

/** `version u8 | chunk ids`. Sizes follow from the file's: all chunks but the last are full. */
export function encodeSegment(ids: readonly ChunkId[]): Uint8Array {
  return Buffer.concat([Buffer.from([VERSION]), ...ids.map(idBytes)]);
}

export function decodeSegment(value: Uint8Array): ChunkId[] {
  checkVersion(value[0]);
  return readIds(value.subarray(1));
}

/** `version u8 | index u32 | size u32`. */
export function encodeReference(index: number, sizeBytes: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(9);
  bytes.writeUInt8(VERSION, 0);
  bytes.writeUInt32BE(index, 1);
  bytes.writeUInt32BE(sizeBytes, 5);
  return bytes;
}

export function decodeReference(value: Uint8Array): { index: number; sizeBytes: number } {
  checkVersion(value[0]);
  if (value.length < 9) throw corrupt();
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return { index: bytes.readUInt32BE(1), sizeBytes: bytes.readUInt32BE(5) };
}

/** Something that no path leads to any more. */
export interface DeadRecord {
  readonly kind: "file" | "directory";
  /**
   * Run of the coordinator that wrote the row, and its steady clock then: no wall clock is needed.
   */
  readonly run: string;
  readonly atMs: number;
  /** Chunks that the entry held itself; those of segments are found there. */
  readonly chunks: readonly ChunkId[];
}

export function encodeDead(record: DeadRecord): Uint8Array {
  const { chunks, ...head } = record;
  return joinHead(head, chunks.map(idBytes));
}

export function decodeDead(value: Uint8Array): DeadRecord {
  const { head, rest } = splitHead<Omit<DeadRecord, "chunks">>(value);
  return { ...head, chunks: readIds(rest) };
}

/** An upload between `file.begin` and `file.commit`. */
export interface UploadRecord {
  readonly v: 1;
  readonly path: string;
  /** SPIFFE id of who began it: nobody else may go on with it. */
  readonly owner: string;
  readonly ifMatch?: string;
  readonly beganAtMs: number;
  /** Segments so far, their chunks and bytes. */
  readonly segments: number;
  readonly chunks: number;
  readonly sizeBytes: number;
}

/** Chunks of one segment that have fewer copies than they should. */
export interface QueueRecord {
  readonly v: 1;
  readonly chunks: readonly { readonly id: ChunkId; readonly have: readonly NodeId[] }[];
}

export function encodeJson(record: { readonly v: 1 }): Uint8Array {
  return Buffer.from(JSON.stringify(record), "utf8");
}

export function decodeJson<Record extends { readonly v: 1 }>(value: Uint8Array): Record {
  const record = parseJson<{ v?: unknown }>(Buffer.from(value).toString("utf8"));
  checkVersion(record.v);
  return record as Record;
}

/** Size of a chunk of a file: only the last one may be short. */
export function chunkSizeAt(fileSizeBytes: number, index: number): number {
  return Math.min(limits.CHUNK_BYTES_MAX, fileSizeBytes - index * limits.CHUNK_BYTES_MAX);
}

function joinHead(head: object, pieces: readonly Uint8Array[]): Uint8Array {
  const json = Buffer.from(JSON.stringify(head), "utf8");
  const prefix = Buffer.allocUnsafe(3);
  prefix.writeUInt8(VERSION, 0);
  prefix.writeUInt16BE(json.length, 1);
  return Buffer.concat([prefix, json, ...pieces]);
}

function splitHead<Head>(value: Uint8Array): { head: Head; rest: Uint8Array } {
  checkVersion(value[0]);
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (bytes.length < 3) throw corrupt();
  const end = 3 + bytes.readUInt16BE(1);
  return { head: parseJson<Head>(bytes.toString("utf8", 3, end)), rest: bytes.subarray(end) };
}

function idBytes(id: ChunkId): Uint8Array {
  return Buffer.from(id, "hex");
}

function readIds(bytes: Uint8Array): ChunkId[] {
  if (bytes.length % ID_BYTES !== 0) throw corrupt();
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const ids: ChunkId[] = [];
  for (let at = 0; at < view.length; at += ID_BYTES) {
    ids.push(view.toString("hex", at, at + ID_BYTES) as ChunkId);
  }
  return ids;
}

function checkVersion(version: unknown): void {
  if (version === VERSION) return;
  if (typeof version === "number" && version > VERSION) throw new MeshError("MESH_STORE_NEWER");
  throw corrupt();
}

function parseJson<Value>(text: string): Value {
  try {
    return JSON.parse(text) as Value;
  } catch {
    throw corrupt();
  }
}

function corrupt(): MeshError {
  return new MeshError("MESH_STORE_CORRUPT", { message: "a row of the namespace is not readable" });
}
