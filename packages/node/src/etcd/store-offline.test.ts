/** Restoring and moving the store of a home, with the system's own etcd where it takes one. */
import { existsSync } from "node:fs";
import { mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { put, type Store } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadConfig } from "../config/load.js";
import { type MemberStore, openEmbedded, openMemberStore } from "../coordinators/member-store.js";
import { createMember } from "../create-member.js";
import { type NodeRecord, nodeFiles } from "../home.js";
import { lockHome } from "../home-lock.js";
import { writeMembership } from "./etcd-data.js";
import { readPieces, withHash, writeSnapshot } from "./snapshot-file.js";
import { presentEngine, recordEngine } from "./store-choice.js";
import { storeFiles } from "./store-files.js";
import { migrateHome } from "./store-migrate.js";
import { rejoinStore, restoreStore } from "./store-restore.js";
import { storeService } from "./store-service.js";
import { etcdOrReason, freePort } from "./testing/etcd-fixture.js";

const { etcd, missing } = await etcdOrReason();
const TIME_MS = 60_000;
const tools = { clock: systemClock(), random: systemRandom(), log: silentLogger };
const KEYS = Array.from({ length: 300 }, (_, at) => `file/${at}`);

let root: string;
let sources: { flags: Record<string, string>; env: NodeJS.ProcessEnv; cwd: string };
let record: NodeRecord;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "store-offline-"));
  const flags = {
    home: join(root, "home"),
    member: "alice",
    name: "one",
    advertise: "127.0.0.1",
    "store-host": "127.0.0.1",
    "store-port": String(await freePort()),
    "store-peer-port": String(await freePort()),
    "store-election-timeout": "500ms",
  };
  sources = { flags, env: { PATH: process.env.PATH }, cwd: root };
  record = await createMember(config(), tools);
});
afterEach(() => rm(root, { recursive: true, force: true }));

const config = () => loadConfig(sources).config;
const files = () => storeFiles(config(), record);
const offline = () => ({ ...sources, ...tools });

async function withStore<T>(
  engine: "sqlite" | "etcd",
  work: (store: Store, opened: MemberStore) => Promise<T>,
): Promise<T> {
  const flags = { ...sources.flags, store: engine };
  const { config: chosen } = loadConfig({ ...sources, flags });
  const opened = await openMemberStore({ config: chosen, record, directions: undefined, ...tools });
  try {
    return await work(opened.store, opened);
  } finally {
    await opened.close();
  }
}

async function fill(store: Store): Promise<void> {
  for (let at = 0; at < KEYS.length; at += 100) {
    const operations = KEYS.slice(at, at + 100).map((key) => put(key, Buffer.from(`of ${key}`)));
    await store.transact({ success: operations });
  }
  await store.transact({ success: [put("coordinator/epoch", Buffer.from("41"))] });
}

async function expectAll(store: Store): Promise<void> {
  const { entries } = await store.range({ prefix: "file/" });
  const found = entries.map(({ key, value }) => [key, Buffer.from(value).toString()]);
  expect(found.sort()).toEqual(KEYS.map((key) => [key, `of ${key}`]).sort());
}

/** As `mesh store snapshot` does it, through the service of the doors. */
async function snapshotTo(path: string, { engine, source }: MemberStore): Promise<void> {
  const leader = () => undefined;
  const service = storeService({ source, files: files(), nodeName: "one", leader });
  expect(await service.status()).toMatchObject({ engine, state: "ok", members: 1, healthy: 1 });
  expect((await service.members()).members).toHaveLength(1);
  await writeSnapshot(path, await service.snapshot(new AbortController().signal));
}

async function epochOf(store: Store): Promise<number> {
  return Number(Buffer.from((await store.get("coordinator/epoch"))?.value ?? []).toString());
}

const engines = [
  ["sqlite", undefined],
  ["etcd", missing],
] as const;

describe.each(engines)("a snapshot of %s", (engine, reason) => {
  const name = reason === undefined ? "comes back with every key" : `(${reason})`;
  it.skipIf(reason !== undefined)(
    name,
    async () => {
      const path = join(root, "snapshot.db");
      const revision = await withStore(engine, async (store, opened) => {
        await fill(store);
        await snapshotTo(path, opened);
        for (let at = 0; at < 20; at++) {
          await store.transact({ success: [put("file/1", Buffer.from("later"))] });
        }
        return (await store.status()).revision;
      });
      const restored = await restoreStore({ ...offline(), file: path });
      expect(restored).toMatchObject({ engine });
      expect(existsSync(restored.kept ?? "")).toBe(true);
      await withStore(engine, async (store) => {
        await expectAll(store);
        // Nothing that was given out after the snapshot is given out again.
        expect((await store.status()).revision).toBeGreaterThan(revision);
        expect(await epochOf(store)).toBeGreaterThan(41);
      });
    },
    TIME_MS,
  );

  it.skipIf(reason !== undefined)(
    `that is damaged changes nothing (${engine})`,
    async () => {
      const path = join(root, "snapshot.db");
      await withStore(engine, async (store, opened) => {
        await fill(store);
        await snapshotTo(path, opened);
      });
      const bytes = await readFile(path);
      bytes[5000] = (bytes[5000] ?? 0) ^ 1;
      await writeFile(path, bytes);
      const there = async () => (await readdir(config().home)).filter((name) => name !== "run");
      const before = await there();
      await expect(restoreStore({ ...offline(), file: path })).rejects.toMatchObject({
        code: "MESH_STORE_CORRUPT",
      });
      expect(await there()).toEqual(before);
      await withStore(engine, expectAll);
    },
    TIME_MS,
  );
});

describe("a restore", () => {
  it(
    "is refused while the node runs, and for the snapshot of another engine",
    async () => {
      const path = join(root, "snapshot.db");
      await withStore("sqlite", async (store, opened) => {
        await fill(store);
        await snapshotTo(path, opened);
      });
      // A lock of this very process would be one of an earlier start: the parent's stands for it.
      const lock = await lockHome(config().home);
      const text = (await readFile(join(config().home, "run", "lock"), "utf8")).replace(
        /"pid":\d+.*"bootId"/,
        await otherProcess(),
      );
      await writeFile(join(config().home, "run", "lock"), text);
      await expect(restoreStore({ ...offline(), file: path })).rejects.toMatchObject({
        code: "MESH_HOME_IN_USE",
        hint: expect.stringContaining("Stop the node"),
      });
      await lock.release();
      await recordEngine(files(), "etcd");
      await expect(restoreStore({ ...offline(), file: path })).rejects.toMatchObject({
        code: "MESH_CONFIG_INVALID",
        hint: expect.stringContaining("mesh store migrate --from etcd --to sqlite"),
      });
    },
    TIME_MS,
  );

  it(
    "brings the old store back when the new one cannot be opened",
    async () => {
      await withStore("sqlite", fill);
      const path = join(root, "bad.db");
      const bytes = Buffer.concat([Buffer.from("SQLite format 3\0"), Buffer.alloc(8192, 1)]);
      await writeFile(join(root, "raw"), bytes);
      await writeSnapshot(path, withHash(readPieces(await open(join(root, "raw")), bytes.length)));
      await expect(restoreStore({ ...offline(), file: path })).rejects.toThrow();
      await withStore("sqlite", expectAll);
    },
    TIME_MS,
  );

  it("leaves the other coordinators to join anew, when they know where", async () => {
    await expect(rejoinStore(offline())).rejects.toMatchObject({ code: "MESH_CONFIG_INVALID" });
    const own = { clusterId: "1", memberId: "2" };
    const endpoints = ["https://127.0.0.1:1"];
    await writeMembership(files(), { v: 1, own, endpoints });
    expect(await rejoinStore(offline())).toEqual({ kept: undefined, endpoints });
  });
});

describe.skipIf(etcd === undefined)(missing ?? "moving to another engine and back", () => {
  it(
    "keeps every key, the source, and the choice of the engine",
    async () => {
      await withStore("sqlite", fill);
      await expect(withStore("etcd", fill)).rejects.toMatchObject({ code: "MESH_CONFIG_INVALID" });
      const there = await migrateHome({ ...offline(), from: "sqlite", to: "etcd" });
      expect(there).toMatchObject({ keys: KEYS.length + 1, from: "sqlite", to: "etcd" });
      expect(existsSync(join(there.kept ?? "", "store.db"))).toBe(true);
      expect(await presentEngine(files())).toBe("etcd");
      const revision = await withStore("etcd", async (store) => {
        await expectAll(store);
        return (await store.status()).revision;
      });
      const back = await migrateHome({ ...offline(), from: "etcd", to: "sqlite" });
      expect(existsSync(join(back.kept ?? "", "member", "wal"))).toBe(true);
      await withStore("sqlite", async (store) => {
        await expectAll(store);
        expect((await store.status()).revision).toBeGreaterThan(revision);
      });
    },
    TIME_MS,
  );

  it(
    "is refused for an engine that the home is not on, and into one that is in use",
    async () => {
      await withStore("sqlite", fill);
      await expect(migrateHome({ ...offline(), from: "etcd", to: "sqlite" })).rejects.toMatchObject(
        { code: "MESH_CONFIG_INVALID" },
      );
      await expect(migrateHome({ ...offline(), from: "etcd", to: "etcd" })).rejects.toMatchObject({
        code: "MESH_CONFIG_INVALID",
      });
      // etcd begins a move with data of its own: an old home that somebody put back.
      await recordEngine(files(), "etcd");
      await rm(nodeFiles(config(), record).store, { recursive: true });
      await withStore("etcd", fill);
      const opening = { config: config(), record, directions: undefined, ...tools };
      const embedded = await openEmbedded(opening);
      await fill(embedded.store);
      await embedded.close();
      await expect(migrateHome({ ...offline(), from: "etcd", to: "sqlite" })).rejects.toMatchObject(
        { message: expect.stringContaining("must be empty") },
      );
      expect(await presentEngine(files())).toBe("etcd");
    },
    TIME_MS,
  );
});

async function otherProcess(): Promise<string> {
  const { describeProcess } = await import("../home-lock.js");
  const { pid, startedAt } = describeProcess(process.ppid);
  return `"pid":${pid},"startedAt":${JSON.stringify(startedAt)},"bootId"`;
}
