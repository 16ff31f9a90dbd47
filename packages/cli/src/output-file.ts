/** Bytes from the collective to standard output or to a local file. */
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { Writable } from "node:stream";
import type { Cli } from "./cli.js";

/** Writes as fast as standard output takes it; stops when nobody reads it any more (`| head`). */
export async function writeOut(cli: Cli, stream: AsyncIterable<Uint8Array>): Promise<void> {
  const { stdout } = cli;
  for await (const piece of stream) {
    if (stdout.destroyed || !stdout.writable) return;
    if (!stdout.write(piece)) await drained(stdout);
  }
}

function drained(stdout: Writable): Promise<void> {
  return new Promise((resolve) => {
    const events = ["drain", "close", "error"];
    const done = () => {
      for (const event of events) stdout.off(event, done);
      resolve();
    };
    for (const event of events) stdout.once(event, done);
  });
}

/**
 * Writes to a file beside the target and renames it at the end: a reading that breaks off leaves a
 * file that was there as it was. Returns the bytes written.
 */
export async function saveFile(
  cli: Cli,
  path: string,
  stream: AsyncIterable<Uint8Array>,
  onBytes?: (bytes: number) => void,
): Promise<number> {
  const target = resolve(cli.cwd, path);
  const temporary = `${target}.part-${process.pid}`;
  await mkdir(dirname(target), { recursive: true });
  const file = await open(temporary, "wx");
  let bytes = 0;
  try {
    for await (const piece of stream) {
      await file.writeFile(piece);
      bytes += piece.length;
      onBytes?.(bytes);
    }
    await file.close();
    await rename(temporary, target);
    return bytes;
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw error;
  }
}
