/**
 * The real disk: files below one directory. Names are checked, so nothing outside is ever touched.
 */
import { constants } from "node:fs";
import {
  access,
  type FileHandle,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  statfs,
} from "node:fs/promises";
import { join } from "node:path";
import { type Disk, type DiskFile, MeshError } from "@hearthmesh/core";

/** IOV_MAX of Linux and macOS: more pieces go in several system calls. */
const PIECES_PER_CALL_MAX = 1024;

/** A `Disk` whose paths are relative to `rootDirectory`, which is made when it is missing. */
export function fileDisk(rootDirectory: string): Disk {
  const at = (path: string) => join(rootDirectory, checkedPath(path));
  return {
    open: (path, options = {}) =>
      guard("open", path, async () => {
        const flags = constants.O_RDWR | (options.create ? constants.O_CREAT : 0);
        return fileOf(await open(at(path), flags, 0o600), path);
      }),
    exists: (path) =>
      guard("look for", path, () =>
        access(at(path)).then(
          () => true,
          (error: unknown) => ifMissing(error, false),
        ),
      ),
    list: (directory) =>
      guard("list", directory, () =>
        readdir(at(directory)).then(
          (names) => names.sort(),
          (error: unknown) => ifMissing<string[]>(error, []),
        ),
      ),
    makeDirectory: (directory) =>
      guard("make", directory, async () => {
        await mkdir(at(directory), { recursive: true, mode: 0o700 });
      }),
    remove: (path) => guard("remove", path, () => rm(at(path), { force: true })),
    rename: (from, to) => guard("rename", from, () => rename(at(from), at(to))),
    syncDirectory: (directory) => guard("sync", directory, () => syncDirectory(at(directory))),
    freeBytes: () =>
      guard("look at", ".", async () => {
        const { bavail, bsize } = await statfs(rootDirectory);
        return bavail * bsize;
      }),
  };
}

function fileOf(handle: FileHandle, path: string): DiskFile {
  return {
    read: (position, length, into) =>
      guard("read", path, () => readAll(handle, position, length, into)),
    write: (position, pieces) => guard("write", path, () => writeAll(handle, position, pieces)),
    sync: () => guard("sync", path, () => handle.datasync()),
    truncate: (sizeBytes) => guard("truncate", path, () => handle.truncate(sizeBytes)),
    sizeBytes: () => guard("look at", path, async () => (await handle.stat()).size),
    close: () => guard("close", path, () => handle.close()),
  };
}

async function readAll(
  handle: FileHandle,
  position: number,
  length: number,
  into?: Uint8Array,
): Promise<Uint8Array> {
  const bytes = into ?? Buffer.allocUnsafeSlow(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}

async function writeAll(
  handle: FileHandle,
  position: number,
  pieces: readonly Uint8Array[],
): Promise<void> {
  let at = position;
  for (let first = 0; first < pieces.length; first += PIECES_PER_CALL_MAX) {
    let left = pieces.slice(first, first + PIECES_PER_CALL_MAX).filter((item) => item.length > 0);
    while (left.length > 0) {
      const { bytesWritten } = await handle.writev(left, at);
      at += bytesWritten;
      left = without(left, bytesWritten);
    }
  }
}

/** What is left of the pieces after the first `count` bytes: a write may be a partial one. */
function without(pieces: readonly Uint8Array[], count: number): Uint8Array[] {
  let skipped = count;
  const left: Uint8Array[] = [];
  for (const piece of pieces) {
    if (skipped >= piece.length) skipped -= piece.length;
    else {
      left.push(skipped === 0 ? piece : piece.subarray(skipped));
      skipped = 0;
    }
  }
  return left;
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** `.` is the root itself. Everything else is names joined by `/`. */
function checkedPath(path: string): string {
  if (path === ".") return path;
  const bad = path
    .split("/")
    .some((name) => name === "" || name === "." || name === ".." || /[\0\\]/.test(name));
  if (bad) {
    throw new MeshError("MESH_DISK_FAILED", {
      message: `${JSON.stringify(path)} is not a name inside the storage directory`,
    });
  }
  return path;
}

function ifMissing<T>(error: unknown, value: T): T {
  if ((error as { code?: unknown }).code === "ENOENT") return value;
  throw error;
}

async function guard<T>(action: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw diskError(action, path, error);
  }
}

function diskError(action: string, path: string, error: unknown): MeshError {
  if (error instanceof MeshError) return error;
  const code = String((error as { code?: unknown }).code ?? "an unknown error");
  const details = { path, systemCode: code };
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new MeshError("MESH_DISK_FULL", {
      message: `there is no space left to ${action} ${path}`,
      details,
      cause: error,
    });
  }
  return new MeshError("MESH_DISK_FAILED", {
    message: `cannot ${action} ${path}: ${code}`,
    details,
    cause: error,
  });
}
