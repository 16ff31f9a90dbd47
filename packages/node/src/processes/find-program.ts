/** Programs that the system has installed. */
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, isAbsolute, join } from "node:path";

/**
 * The first such program in PATH (`searchPath`), then in `also`: folders that a user's PATH often
 * lacks. Undefined when there is none that may be run.
 */
export async function findProgram(
  name: string,
  searchPath: string | undefined,
  also: readonly string[] = [],
): Promise<string | undefined> {
  const folders = [...(searchPath ?? "").split(delimiter), ...also].filter(isAbsolute);
  for (const folder of folders) {
    const path = join(folder, name);
    const runs = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (runs) return path;
  }
  return undefined;
}
