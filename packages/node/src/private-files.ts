/**
 * Files that hold secrets: mode 0600, replaced whole or not at all, refused when others can read.
 */
import { mkdir, open, readFile, rename, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { MeshError } from "@hearthmesh/core";

/** Writes a file so that a crash leaves the old one or the new one. */
export async function writePrivate(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.new`;
  const file = await open(temporary, "w", 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

/**
 * A secret as text, or undefined when there is none. Throws `MESH_HOME_UNSAFE` when the file is
 * open to others.
 */
export async function readPrivate(path: string): Promise<string | undefined> {
  const text = await readIfThere(path);
  if (text === undefined || process.platform === "win32") return text;
  const { mode } = await stat(path);
  if ((mode & 0o077) === 0) return text;
  throw new MeshError("MESH_HOME_UNSAFE", {
    message: `${path} can be read by other users (mode ${(mode & 0o777).toString(8)})`,
    hint: `chmod 600 ${path}`,
  });
}

/** The text of a file, or undefined when there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
