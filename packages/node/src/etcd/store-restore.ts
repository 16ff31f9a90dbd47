/**
 * Puts a snapshot in the place of a home's store. Nothing is touched before the snapshot was read
 * to its end and its hash is right; what was there is kept, and comes back when the restore fails.
 *
 * A restored store is older than the one that others have seen. Storage nodes refuse orders of an
 * older epoch, and holders of locks compare revisions, so both are raised above what was given
 * before, as far as the old data still tells.
 */
import { execFile } from "node:child_process";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { MeshError } from "@hearthmesh/core";
import { openSqliteStore, type Store } from "@hearthmesh/store";
import { openEmbedded, openEtcd } from "../coordinators/member-store.js";
import { memberName } from "./cluster-observer.js";
import { newClusterToken } from "./cluster-steps.js";
import { urlsOf } from "./etcd-arguments.js";
import { hasEtcdData, readMembership, setDataAside } from "./etcd-data.js";
import { endOrphans } from "./etcd-orphans.js";
import { findEtcd, findRestoreTool } from "./find-etcd.js";
import { RESTORE_TOOL_BYTES_MAX, UPKEEP_MS_MAX } from "./limits.js";
import { readSnapshotInfo, type SnapshotInfo, snapshotDatabase } from "./snapshot-file.js";
import { presentEngine, recordEngine } from "./store-choice.js";
import { storeHosts } from "./store-hosts.js";
import { moveAside, type OfflineHome, type OfflineOptions, withHome } from "./store-offline.js";
import { raiseAbove, type StoreMark } from "./store-raise.js";

export interface RestoreResult extends SnapshotInfo {
  keys: number;
  revision: number;
  /** Where the data lies that was there before; undefined when there was none. */
  kept: string | undefined;
}

export interface RestoreOptions extends OfflineOptions {
  file: string;
}

/**
 * `MESH_HOME_IN_USE`, `MESH_STORE_CORRUPT` for a snapshot that is damaged, `MESH_CONFIG_INVALID`
 * when it is of the other engine, `MESH_ETCD_MISSING`, `MESH_ETCD_FAILED`.
 */
export async function restoreStore(options: RestoreOptions): Promise<RestoreResult> {
  return withHome(options, async (home) => {
    const info = await readSnapshotInfo(options.file);
    const present = await presentEngine(home.files);
    if (present !== undefined && present !== info.engine) {
      throw new MeshError("MESH_CONFIG_INVALID", {
        message: `${options.file} is of ${info.engine}, and this home runs on ${present}`,
        hint:
          `Move the home first: \`mesh store migrate --from ${present} --to ${info.engine}\`. ` +
          "Then restore.",
      });
    }
    const done =
      info.engine === "sqlite"
        ? await restoreEmbedded(home, options.file)
        : await restoreEtcd(home, options);
    await recordEngine(home.files, info.engine);
    return { ...info, ...done };
  });
}

type Restored = Pick<RestoreResult, "keys" | "revision" | "kept">;

async function restoreEmbedded(home: OfflineHome, file: string): Promise<Restored> {
  const { embedded, tools } = home;
  const before = await markOfEmbedded(home);
  const kept = await moveAside(embedded, tools.clock.nowMs());
  try {
    await mkdir(embedded, { mode: 0o700 });
    await copyDatabase(file, join(embedded, "store.db"));
    const { store } = await openEmbedded({ ...home, ...tools, directions: undefined });
    return { ...(await checkAndClose(store, before)), kept };
  } catch (error) {
    await rm(embedded, { recursive: true, force: true });
    if (kept !== undefined) await rename(kept, embedded);
    throw error;
  }
}

/** What the store that is replaced had given out; nothing when it cannot be read any more. */
async function markOfEmbedded({ embedded, tools }: OfflineHome): Promise<StoreMark> {
  try {
    const store = await openSqliteStore({ directory: embedded, ...tools });
    const { revision } = await store.status().finally(() => store.close());
    return { revision };
  } catch {
    return { revision: 0 };
  }
}

async function copyDatabase(from: string, to: string): Promise<void> {
  const target = await open(to, "wx", 0o600);
  try {
    for await (const piece of snapshotDatabase(from)) await target.writeFile(piece);
    await target.sync();
  } finally {
    await target.close();
  }
}

async function restoreEtcd(home: OfflineHome, { file, env }: RestoreOptions): Promise<Restored> {
  const { files, config, tools } = home;
  if (config.store.endpoints.length > 0) {
    throw new MeshError("MESH_CONFIG_INVALID", {
      message: "the records are in an etcd cluster that others run",
      hint: "Restore it with its own tools.",
    });
  }
  const searchPath = env.PATH;
  await findEtcd({ searchPath });
  const tool = await findRestoreTool({ searchPath });
  const fresh = `${files.data}-restored`;
  await rm(fresh, { recursive: true, force: true });
  await runTool(tool, searchPath, restoreArguments(home, file, fresh));
  await endOrphans({ dataDirectory: files.data, ...tools });
  const before = await markOfEtcd(tool, searchPath, files.data);
  // The record of the membership goes last: with it and without data, no new store is begun.
  const kept = await moveAside(files.data, tools.clock.nowMs());
  try {
    await rename(fresh, files.data);
    // The other members have the old data: they join anew, and this one must not look for them.
    await rm(files.membership, { force: true });
    const options = { ...home, ...tools, directions: undefined };
    const opened = await openEtcd(options, files);
    try {
      return { ...(await checkAndClose(opened.store, before, false)), kept };
    } finally {
      await opened.close();
    }
  } catch (error) {
    await rm(files.data, { recursive: true, force: true });
    if (kept !== undefined) await rename(kept, files.data);
    throw error;
  }
}

/** As a cluster of this node alone, with a number of its own. */
function restoreArguments(
  { config, record, tools }: OfflineHome,
  file: string,
  directory: string,
): string[] {
  const name = memberName(record.name, record.nodeId);
  const urls = urlsOf(storeHosts(config), config.store.peer.port);
  return [
    "snapshot",
    "restore",
    file,
    `--data-dir=${directory}`,
    `--name=${name}`,
    `--initial-cluster=${urls.map((url) => `${name}=${url}`).join(",")}`,
    `--initial-advertise-peer-urls=${urls.join(",")}`,
    `--initial-cluster-token=${newClusterToken(record.trustDomain, tools.random)}`,
  ];
}

/** As etcd's tool reads it from the file; it does not matter whether there is a majority. */
async function markOfEtcd(
  tool: string,
  searchPath: string | undefined,
  dataDirectory: string,
): Promise<StoreMark> {
  if (!(await hasEtcdData(dataDirectory))) return { revision: 0 };
  const database = join(dataDirectory, "member", "snap", "db");
  try {
    const answer = await runTool(tool, searchPath, ["snapshot", "status", database, "-w", "json"]);
    const { revision } = JSON.parse(answer) as { revision?: unknown };
    return { revision: typeof revision === "number" ? revision : 0 };
  } catch {
    return { revision: 0 };
  }
}

async function checkAndClose(
  store: Store,
  before: StoreMark,
  closes = true,
): Promise<{ keys: number; revision: number }> {
  try {
    await raiseAbove(store, before);
    const { keys, revision } = await store.status();
    return { keys, revision };
  } finally {
    if (closes) await store.close();
  }
}

function runTool(
  path: string,
  searchPath: string | undefined,
  args: readonly string[],
): Promise<string> {
  const options = {
    env: { PATH: searchPath, ETCDCTL_API: "3" },
    timeout: UPKEEP_MS_MAX,
    maxBuffer: RESTORE_TOOL_BYTES_MAX,
  };
  return new Promise((resolve, reject) => {
    execFile(path, [...args], options, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const words = stderr.trim().split("\n").at(-1) ?? "";
      reject(
        new MeshError("MESH_ETCD_FAILED", {
          message: `${path} ${args.slice(0, 2).join(" ")} failed: ${words.slice(0, 300)}`,
          hint: "Nothing was changed.",
        }),
      );
    });
  });
}

export interface RejoinResult {
  kept: string | undefined;
  /** Where the store is looked for at the next start. */
  endpoints: readonly string[];
}

/**
 * For the other coordinators after a restore: puts the old data aside, so that the next start joins
 * the store that the others have. `MESH_CONFIG_INVALID` when no other coordinator is known.
 */
export async function rejoinStore(options: OfflineOptions): Promise<RejoinResult> {
  return withHome(options, async ({ files, tools }) => {
    const endpoints = (await readMembership(files))?.endpoints ?? [];
    if (endpoints.length === 0) {
      throw new MeshError("MESH_CONFIG_INVALID", {
        message: `${dirname(files.data)} knows no other coordinator whose store it could join`,
        hint: "Start the coordinator that has the store, or restore a snapshot here.",
      });
    }
    await endOrphans({ dataDirectory: files.data, ...tools });
    const kept = await setDataAside(files, tools.clock.nowMs());
    return { kept, endpoints };
  });
}
