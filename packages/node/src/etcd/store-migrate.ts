/**
 * Moves the records of a home to the other engine, compares them key by key, and records the new
 * engine. The old store is kept beside it. A move that breaks off leaves the home on the old one.
 */
import { existsSync } from "node:fs";
import { rebindUserLease } from "@hearthmesh/collective";
import { MeshError } from "@hearthmesh/core";
import { type MigrationProgress, type MigrationResult, migrateStore } from "@hearthmesh/store";
import { type MemberStore, openEmbedded, openEtcd } from "../coordinators/member-store.js";
import { hasEtcdData, setDataAside } from "./etcd-data.js";
import { presentEngine, recordEngine, type StoreEngine } from "./store-choice.js";
import { moveAside, type OfflineHome, type OfflineOptions, withHome } from "./store-offline.js";

export interface MigrateOptions extends OfflineOptions {
  from: StoreEngine;
  to: StoreEngine;
  signal?: AbortSignal;
  onProgress?: (progress: MigrationProgress) => void;
}

export interface MigratedHome extends MigrationResult {
  from: StoreEngine;
  to: StoreEngine;
  /** Where the old store lies; undefined for an etcd that others run. */
  kept: string | undefined;
}

/**
 * `MESH_HOME_IN_USE`, `MESH_CONFIG_INVALID` when the home is not on `from` or has a store on `to`
 * already, `MESH_STORE_MISMATCH`, and the errors of both stores.
 */
export async function migrateHome(options: MigrateOptions): Promise<MigratedHome> {
  const { from, to } = options;
  if (from === to) refuse("--from and --to are the same engine", "Name two different ones.");
  return withHome(options, async (home) => {
    const present = await presentEngine(home.files);
    if (present !== from) {
      refuse(
        present === undefined
          ? `${home.config.home} has no records yet`
          : `the records of ${home.config.home} are kept in ${present}, not in ${from}`,
        present === undefined ? `Start it with \`mesh up --store ${to}\`.` : "Swap the two.",
      );
    }
    // A home from before this file is told by its data; a half-made target must not decide it.
    await recordEngine(home.files, from);
    const moved = await move(home, options);
    await recordEngine(home.files, to);
    return { ...moved, from, to, kept: await keepSource(home, from) };
  });
}

async function move(home: OfflineHome, options: MigrateOptions): Promise<MigrationResult> {
  const { from, to, signal, onProgress } = options;
  const opening = { ...home, ...home.tools, directions: undefined };
  const open = (engine: StoreEngine): Promise<MemberStore> =>
    engine === "sqlite" ? openEmbedded(opening) : openEtcd(opening, home.files);
  const source = await open(from);
  try {
    if (to === "sqlite") refuseSeveral(source);
    const target = await open(to);
    try {
      return await migrateStore({
        from: source.store,
        to: target.store,
        rebind: rebindUserLease,
        log: home.tools.log,
        ...(signal === undefined ? {} : { signal }),
        ...(onProgress === undefined ? {} : { onProgress }),
      });
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/** An embedded store is one coordinator's: the others would be left without a store. */
function refuseSeveral({ source }: MemberStore): void {
  const members = source.mode === "supervised" ? source.supervisor.status().members : [];
  if (members.length <= 1) return;
  const names = members.map(({ name }) => name).join(", ");
  refuse(
    `${members.length} coordinators share this store (${names}), and sqlite allows one`,
    "Remove the others first: `mesh revoke NAME`.",
  );
}

async function keepSource(home: OfflineHome, from: StoreEngine): Promise<string | undefined> {
  const { files, embedded, tools } = home;
  const nowMs = tools.clock.nowMs();
  if (from === "sqlite") return existsSync(embedded) ? moveAside(embedded, nowMs) : undefined;
  return (await hasEtcdData(files.data)) ? setDataAside(files, nowMs) : undefined;
}

function refuse(message: string, hint: string): never {
  throw new MeshError("MESH_CONFIG_INVALID", { message, hint });
}
