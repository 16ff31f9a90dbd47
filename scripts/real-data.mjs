/**
 * Real input made at run time out of what is on the machine: this repository's files and Node's.
 */
import { createHash } from "node:crypto";
import {
  createReadStream,
  createWriteStream,
  mkdirSync,
  readdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { finished } from "node:stream/promises";
import { root } from "./lib.mjs";

function* filesBelow(folder) {
  let entries;
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch {
    // Not readable: somebody else's.
    return;
  }
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile()) yield path;
  }
}

function* realFiles() {
  yield process.execPath;
  yield* filesBelow(join(root, "packages"));
  yield* filesBelow(join(root, "node_modules"));
  yield* filesBelow(join(dirname(dirname(process.execPath)), "lib", "node_modules"));
}

/**
 * Writes a file of exactly `sizeBytes`, one real file after the other; each round after the first
 * begins with its number, so that no chunk repeats. `shift` bytes come first: two files with
 * another shift share no chunk. Returns its SHA-256.
 */
export async function makeRealFile(path, sizeBytes, shift = 0) {
  const out = createWriteStream(path);
  const hash = createHash("sha256");
  let left = sizeBytes;
  const put = async (bytes) => {
    const piece = bytes.subarray(0, Math.min(bytes.length, left));
    left -= piece.length;
    hash.update(piece);
    if (!out.write(piece)) await new Promise((resolve) => out.once("drain", resolve));
  };
  await put(Buffer.alloc(shift, "shift"));
  for (let round = 0; left > 0; round++) {
    if (round > 0) await put(Buffer.from(`round ${round}\n`));
    for (const source of realFiles()) {
      if (left === 0) break;
      for await (const bytes of createReadStream(source)) {
        await put(bytes);
        if (left === 0) break;
      }
    }
  }
  out.end();
  await finished(out);
  return hash.digest("hex");
}

/**
 * Copies `count` real small files (up to 64 KiB) in a tree of folders of 25. Returns path ->
 * SHA-256.
 */
export async function makeRealTree(folder, count) {
  const { readFile } = await import("node:fs/promises");
  const hashes = new Map();
  for (const source of filesBelow(join(root, "node_modules"))) {
    if (hashes.size === count) break;
    const { size } = statSync(source);
    if (size === 0 || size > 64 * 1024) continue;
    const index = hashes.size;
    const name = `folder-${String(Math.floor(index / 25)).padStart(2, "0")}/file-${index}`;
    const bytes = await readFile(source);
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), bytes);
    hashes.set(name, createHash("sha256").update(bytes).digest("hex"));
  }
  if (hashes.size < count) throw new Error(`only ${hashes.size} small files were found`);
  return hashes;
}

export async function hashFile(path) {
  const hash = createHash("sha256");
  for await (const bytes of createReadStream(path)) hash.update(bytes);
  return hash.digest("hex");
}
