/**
 * What a node keeps of its pools: `pools/<pool id>.json` is what was agreed, signed by whoever said
 * it, so that a start without the others knows the ring; `ring_topology_<pool id>.json` is the ring
 * for people and scripts. Both are replaced whole.
 */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { listIfThere, writePrivate } from "@hearthmesh/client/private-files";
import { errorFields, type Logger, limits } from "@hearthmesh/core";
import { POOL_ID, type PoolRoster } from "@hearthmesh/identity";
import { type PoolView, ringTopologyName, ringTopologyOf } from "@hearthmesh/pool/membership";

export interface PoolFile {
  readonly v: 1;
  readonly roster: PoolRoster;
  readonly statements: readonly unknown[];
}

export function writePoolFile(home: string, file: PoolFile): Promise<void> {
  const path = join(home, "pools", `${file.roster.poolId}.json`);
  return writePrivate(path, `${JSON.stringify(file)}\n`);
}

/** Not checked beyond being JSON: the agreement judges every part by its signature. */
export async function readPoolFiles(home: string, log: Logger): Promise<unknown[]> {
  const directory = join(home, "pools");
  const names = (await listIfThere(directory)).filter((name) => isPoolFile(name));
  const files: unknown[] = [];
  for (const name of names.slice(0, limits.POOLS_MAX)) {
    try {
      files.push(JSON.parse(await readFile(join(directory, name), "utf8")));
    } catch (error) {
      // The others know it too, and tell it again.
      log.warn("a file of a pool cannot be read", { path: name, ...errorFields(error) });
    }
  }
  return files;
}

function isPoolFile(name: string): boolean {
  return name.endsWith(".json") && POOL_ID.test(name.slice(0, -".json".length));
}

export function writeTopology(home: string, pool: PoolView): Promise<void> {
  const text = `${JSON.stringify(ringTopologyOf(pool), undefined, 2)}\n`;
  return writePrivate(join(home, ringTopologyName(pool.poolId)), text);
}

/** Ids of the pools whose ring stands there, perhaps from an earlier run. */
export async function writtenTopologies(home: string): Promise<string[]> {
  const names = await listIfThere(home);
  const ids = names.flatMap((name) => /^ring_topology_([0-9a-f]{32})\.json$/.exec(name)?.[1] ?? []);
  return ids.slice(0, limits.POOLS_MAX);
}

export async function removeTopology(home: string, poolId: string): Promise<void> {
  await rm(join(home, ringTopologyName(poolId)), { force: true });
}
