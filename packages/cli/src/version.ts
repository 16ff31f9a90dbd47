/** The version of the program, as its package says. */
import { readFile } from "node:fs/promises";

export async function readVersion(): Promise<string> {
  const path = new URL("../package.json", import.meta.url);
  const { version } = JSON.parse(await readFile(path, "utf8")) as { version: string };
  return version;
}
