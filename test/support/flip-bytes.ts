import { randomBytes } from "node:crypto";
import { closeSync, openSync, readdirSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";

const MIB = 1 << 20;

/** Bytes in the chunks that a storage node keeps are others than they were: in the first `most`. */
export function flipBytes(home: string, most = Number.POSITIVE_INFINITY): void {
  const packs = join(home, "chunks", "packs");
  let flipped = 0;
  for (const name of readdirSync(packs).filter((one) => one.endsWith(".pack"))) {
    const path = join(packs, name);
    const { size } = statSync(path);
    const file = openSync(path, "r+");
    // One place in each chunk: they are 1 MiB with a short head in front.
    for (let at = MIB / 2; at < size && flipped < most; at += MIB, flipped++) {
      writeSync(file, randomBytes(64), 0, 64, at);
    }
    closeSync(file);
  }
}
