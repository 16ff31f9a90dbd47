import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { runningNodePath } from "@hearthmesh/client/running-node";

/** Makes the commands believe that the node of this home runs, and answers at `nodeUrl`. */
export async function seemsToRun(
  home: string,
  nodeUrl: string,
  isCoordinator = true,
): Promise<void> {
  const path = runningNodePath(home);
  await mkdir(dirname(path), { recursive: true });
  const httpUrl = isCoordinator ? nodeUrl : undefined;
  await writeFile(path, JSON.stringify({ httpUrl, nodeUrl, pid: process.pid }));
}
