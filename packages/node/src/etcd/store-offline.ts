/**
 * What is done to the store of a home while no node runs there: restore a snapshot, join a restored
 * store anew, move to another engine. Each takes the lock of the home, and keeps what was there
 * before beside what is there then.
 */
import { rename } from "node:fs/promises";
import { type Clock, type Logger, MeshError, type Random } from "@hearthmesh/core";
import type { Config } from "../config/config.js";
import { type ConfigSources, loadConfig } from "../config/load.js";
import { type NodeRecord, nodeFiles, readNodeRecord } from "../home.js";
import { lockHome } from "../home-lock.js";
import { type StoreFiles, storeFiles } from "./store-files.js";

export interface OfflineOptions extends ConfigSources {
  clock: Clock;
  random: Random;
  log: Logger;
}

/** A home whose lock is held. */
export interface OfflineHome {
  config: Config;
  record: NodeRecord;
  files: StoreFiles;
  /** Directory of the embedded store. */
  embedded: string;
  tools: Pick<OfflineOptions, "clock" | "random" | "log">;
}

/**
 * Runs `work` with the lock of the home. `MESH_HOME_IN_USE` when a node runs there,
 * `MESH_CONFIG_INVALID` when there is no coordinator in it.
 */
export async function withHome<Result>(
  options: OfflineOptions,
  work: (home: OfflineHome) => Promise<Result>,
): Promise<Result> {
  const { clock, random, log } = options;
  const { config } = loadConfig(options);
  const record = await readNodeRecord(config.home);
  if (record === undefined || !record.roles.includes("coordinator")) {
    throw new MeshError("MESH_CONFIG_INVALID", {
      message: `${config.home} is not the home of a coordinator`,
      hint: "Only coordinators keep a store: name the home with --home.",
    });
  }
  const lock = await lockStopped(config.home);
  try {
    const files = storeFiles(config, record);
    const { store: embedded } = nodeFiles(config, record);
    return await work({ config, record, files, embedded, tools: { clock, random, log } });
  } finally {
    await lock.release();
  }
}

async function lockStopped(home: string) {
  try {
    return await lockHome(home);
  } catch (error) {
    if (!(error instanceof MeshError) || error.code !== "MESH_HOME_IN_USE") throw error;
    throw new MeshError("MESH_HOME_IN_USE", {
      message: `${error.message}, and the store must stand still for this`,
      hint: "Stop the node, do it, and start the node again.",
      cause: error,
    });
  }
}

/** A name for what is put aside: `<path>-aside-20261121T031500Z`. */
function asidePath(path: string, nowMs: number): string {
  return `${path}-aside-${new Date(nowMs).toISOString().replace(/[-:]|\.\d+/g, "")}`;
}

/** Where it lies now; undefined when there was nothing. */
export async function moveAside(path: string, nowMs: number): Promise<string | undefined> {
  const aside = asidePath(path, nowMs);
  try {
    await rename(path, aside);
    return aside;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
