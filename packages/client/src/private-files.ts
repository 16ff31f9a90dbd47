/** Files of an identity: replaced whole or not at all, secrets with mode 0600. */
import { chmod, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { MeshError } from "@hearthmesh/core";

/**
 * Writes a file that only its owner can read, so that a crash leaves the old one or the new one.
 */
export async function writePrivate(path: string, text: string): Promise<void> {
  const directory = dirname(path);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const temporary = `${path}.new`;
  await rm(temporary, { force: true });
  const file = await open(temporary, "wx", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await chmod(temporary, 0o600);
  await rename(temporary, path);
  await syncDirectory(directory);
}

/** The text of a secret file. `MESH_HOME_UNSAFE` when other users can read or change it. */
export async function readPrivate(path: string): Promise<string> {
  const { mode } = await stat(path);
  if (process.platform !== "win32" && (mode & 0o077) !== 0) {
    const octal = (mode & 0o777).toString(8);
    throw new MeshError("MESH_HOME_UNSAFE", {
      message: `${path} can be read by other users (mode ${octal})`,
      hint: `Make it private: chmod 600 ${path}`,
    });
  }
  return readFile(path, "utf8");
}

/** The text of a file, or undefined when there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Names in a directory, sorted; none when it is missing. */
export async function listIfThere(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** Makes the new name durable; not every system lets a directory be opened. */
async function syncDirectory(directory: string): Promise<void> {
  try {
    const handle = await open(directory, "r");
    await handle.sync().finally(() => handle.close());
  } catch {
    // The file itself is on disk; at worst the old one is found again after a loss of power.
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}
