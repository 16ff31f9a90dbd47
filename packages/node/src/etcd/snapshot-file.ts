/**
 * Snapshots of the store as files: the database, then the SHA-256 of it, 32 bytes, at the end.
 * etcd's own snapshots have that form, so a snapshot of ours restores with etcd's tools and the
 * other way round; those of the embedded store have the same hash behind the SQLite file.
 */
import { createHash } from "node:crypto";
import { chmod, type FileHandle, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { listIfThere } from "@hearthmesh/client/private-files";
import { MeshError } from "@hearthmesh/core";

const HASH_BYTES = 32;
const READ_BYTES = 1 << 20;
const SQLITE_MAGIC = Buffer.from("SQLite format 3\0", "latin1");
/** bbolt's magic number in its first page, little endian, behind the page's header. */
const BBOLT_MAGIC = Buffer.from("edda0ced", "hex");
const BBOLT_MAGIC_AT = 16;

export interface SnapshotInfo {
  engine: "etcd" | "sqlite";
  /** Of the whole file. */
  bytes: number;
  /** SHA-256 of the database in it, hexadecimal. */
  sha256: string;
}

/** Passes a snapshot on and throws `MESH_STORE_CORRUPT` at its end when its hash is not right. */
export async function* checkedSnapshot(
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const check = new TrailingHash();
  for await (const piece of pieces) {
    check.add(piece);
    yield piece;
  }
  check.end("the snapshot that came");
}

/** Appends the hash to a database that has none. */
export async function* withHash(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  for await (const piece of pieces) {
    hash.update(piece);
    yield piece;
  }
  yield hash.digest();
}

/**
 * Writes a snapshot beside its place, verifies and syncs it, and moves it there: a file with that
 * name is a whole snapshot. Only its owner can read it.
 */
export async function writeSnapshot(
  path: string,
  pieces: AsyncIterable<Uint8Array>,
): Promise<SnapshotInfo> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.part`;
  await rm(temporary, { force: true });
  const file = await open(temporary, "wx", 0o600);
  try {
    for await (const piece of checkedSnapshot(pieces)) await file.writeFile(piece);
    await file.sync();
  } catch (error) {
    await file.close();
    await rm(temporary, { force: true });
    throw error;
  }
  await file.close();
  await chmod(temporary, 0o600);
  await rename(temporary, path);
  return readSnapshotInfo(path);
}

/**
 * Reads a snapshot to its end. `MESH_STORE_CORRUPT` when its hash is not right or it is of neither
 * engine; nothing else may be done with it before.
 */
export async function readSnapshotInfo(path: string): Promise<SnapshotInfo> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const check = new TrailingHash();
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    let head: Buffer | undefined;
    for (let at = 0; at < size; ) {
      const { bytesRead } = await file.read(buffer, 0, READ_BYTES, at);
      if (bytesRead === 0) break;
      head ??= Buffer.from(buffer.subarray(0, Math.min(bytesRead, 64)));
      check.add(Buffer.from(buffer.subarray(0, bytesRead)));
      at += bytesRead;
    }
    const sha256 = check.end(path);
    return { engine: engineOf(head ?? Buffer.alloc(0), path), bytes: size, sha256 };
  } finally {
    await file.close();
  }
}

/** The database of a snapshot, without the hash. */
export async function* snapshotDatabase(path: string): AsyncGenerator<Uint8Array> {
  const { size } = await stat(path);
  yield* readPieces(await open(path, "r"), size - HASH_BYTES);
}

/** The bytes of a file up to `end`, which is closed at the end. */
export async function* readPieces(file: FileHandle, end: number): AsyncGenerator<Uint8Array> {
  try {
    for (let at = 0; at < end; ) {
      const length = Math.min(READ_BYTES, end - at);
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, at);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
}

/** `store-20261121T031500Z.db`, so that names sort by time. */
export function snapshotName(nowMs: number): string {
  return `store-${new Date(nowMs).toISOString().replace(/[-:]|\.\d+/g, "")}.db`;
}

const SNAPSHOT_NAME = /^store-\d{8}T\d{6}Z\.db$/;

/** Scheduled snapshots in a directory, oldest first. */
export async function listSnapshots(directory: string): Promise<string[]> {
  const names = await listIfThere(directory);
  return names.filter((name) => SNAPSHOT_NAME.test(name));
}

/** When a scheduled snapshot was made, by its name. */
export function snapshotTimeMs(name: string): number {
  const digits = name.replace(/\D/g, "");
  const [year, month, day, hour, minute, second] = [
    digits.slice(0, 4),
    digits.slice(4, 6),
    digits.slice(6, 8),
    digits.slice(8, 10),
    digits.slice(10, 12),
    digits.slice(12, 14),
  ];
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

/** Removes the oldest scheduled snapshots above `kept`, and what a broken-off one left. */
export async function pruneSnapshots(directory: string, kept: number): Promise<void> {
  const names = await listSnapshots(directory);
  for (const name of names.slice(0, Math.max(0, names.length - kept))) {
    await rm(join(directory, name), { force: true });
  }
}

function engineOf(head: Buffer, path: string): SnapshotInfo["engine"] {
  if (head.subarray(0, SQLITE_MAGIC.length).equals(SQLITE_MAGIC)) return "sqlite";
  const magic = head.subarray(BBOLT_MAGIC_AT, BBOLT_MAGIC_AT + BBOLT_MAGIC.length);
  if (magic.equals(BBOLT_MAGIC)) return "etcd";
  throw new MeshError("MESH_STORE_CORRUPT", { message: `${path} is no snapshot of a store` });
}

/** Hashes all but the last 32 bytes, and compares with them. */
class TrailingHash {
  readonly #hash = createHash("sha256");
  #tail = Buffer.alloc(0);

  add(piece: Uint8Array): void {
    const all = Buffer.concat([this.#tail, piece]);
    const cut = Math.max(0, all.length - HASH_BYTES);
    this.#hash.update(all.subarray(0, cut));
    this.#tail = all.subarray(cut);
  }

  /** The hash; throws when it is not the one at the end. */
  end(what: string): string {
    const digest = this.#hash.digest();
    if (this.#tail.length === HASH_BYTES && digest.equals(this.#tail))
      return digest.toString("hex");
    throw new MeshError("MESH_STORE_CORRUPT", {
      message: `${what} is damaged or not complete: its hash is not right`,
      hint: "Use another snapshot. One that was copied must be copied as a whole.",
    });
  }
}
