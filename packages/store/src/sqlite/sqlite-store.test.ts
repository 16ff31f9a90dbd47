import {
  chmodSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Logger, silentLogger } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/core/testing";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { put, remove, removeRange } from "../operations.js";
import type { Store } from "../types.js";
import { openDatabase } from "./driver.js";
import { openFiles } from "./open-files.js";
import { openSqliteStore, type SqliteStoreOptions } from "./sqlite-store.js";

/** Every write waits for the disk, which may be slow and busy. */
vi.setConfig({ testTimeout: 60_000 });

let root: string;
let directory: string;
let databasePath: string;
let clock: ManualClock;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "hearthmesh-sqlite-"));
  directory = join(root, "store");
  databasePath = join(directory, "store.db");
  clock = new ManualClock();
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function open(options: Partial<SqliteStoreOptions> = {}): Promise<Store> {
  return openSqliteStore({ directory, clock, log: silentLogger, ...options });
}

function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8);
}

/** Bytes that are found again in the file. */
function marked(mark: string, length = 64): Uint8Array {
  return new TextEncoder().encode(mark.repeat(length).slice(0, length));
}

function countRows(table: string): number {
  const database = openDatabase(databasePath);
  const count = database.prepare(`SELECT count(*) FROM ${table}`).get()?.[0];
  database.close();
  return Number(count);
}

async function settle(store: Store, turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await store.transact({ success: [] });
}

describe("the files", () => {
  it("are private to this user, also when they were not", async () => {
    let store = await open();
    await store.transact({ success: [put("a", marked("x"))] });
    expect(modeOf(directory)).toBe("700");
    for (const name of readdirSync(directory)) expect(modeOf(join(directory, name))).toBe("600");
    await store.close();
    chmodSync(directory, 0o755);
    chmodSync(databasePath, 0o644);
    store = await open();
    expect([modeOf(directory), modeOf(databasePath)]).toEqual(["700", "600"]);
    await store.close();
  });

  it("are one file after a clean end", async () => {
    const store = await open();
    await store.transact({ success: [put("a", marked("x"))] });
    await store.close();
    expect(readdirSync(directory)).toEqual(["store.db"]);
  });

  it("are synced at every commit, and locked", async () => {
    const files = openFiles({ directory, databaseBytesMax: 1 << 30 });
    expect(files.database.pragma("synchronous")).toBe(2);
    expect(files.database.pragma("journal_mode")).toBe("wal");
    expect(files.database.pragma("locking_mode")).toBe("exclusive");
    files.close();
  });

  it("belong to one opener at a time", async () => {
    const first = await open();
    await expect(open()).rejects.toMatchObject({
      code: "MESH_HOME_IN_USE",
      details: { pid: process.pid },
    });
    await first.transact({ success: [put("a", marked("x"))] });
    await first.close();
    const second = await open();
    expect(await second.get("a")).toBeDefined();
    await second.close();
  });

  it("tell what a run left behind that was broken off, and nothing after a good end", async () => {
    const told: { message: string; bytes?: number | undefined; revision?: number | undefined }[] =
      [];
    const log: Logger = {
      ...silentLogger,
      child: () => log,
      warn: (message, { bytes, revision } = {}) => told.push({ message, bytes, revision }),
    };
    const first = await open({ log });
    await first.transact({ success: [put("a", marked("x"))] });
    // As it is at this moment, a crash would leave it.
    const left = join(root, "left");
    cpSync(directory, left, { recursive: true });
    await first.close();
    await (await open({ log })).close();
    expect(told).toEqual([]);
    const again = await openSqliteStore({ directory: left, clock, log });
    expect(await again.get("a")).toBeDefined();
    expect(told).toMatchObject([{ message: expect.stringContaining("broken off"), revision: 2 }]);
    expect(told[0]?.bytes).toBeGreaterThan(0);
    await again.close();
  });

  it("may be replaced by a copy of themselves while they are used: that one counts", async () => {
    const running = await open();
    await running.transact({ success: [put("before", marked("x"))] });
    const copies = readdirSync(directory).map(
      (name) => [name, readFileSync(join(directory, name))] as const,
    );
    expect(copies.map(([name]) => name)).toContain("store.db-wal");
    await running.transact({ success: [put("after", marked("x"))] });
    // As tar does it: each file is removed and made anew.
    for (const [name, bytes] of copies) {
      rmSync(join(directory, name));
      writeFileSync(join(directory, name), bytes, { mode: 0o600 });
    }
    await running.close();
    const restored = await open();
    expect(await restored.get("before")).toBeDefined();
    expect(await restored.get("after")).toBeUndefined();
    await restored.close();
  });

  it("are refused when they are a torn copy of a running store", async () => {
    const running = await open();
    for (let index = 0; index < 40; index++) {
      await running.transact({ success: [put(`key-${index}`, marked("x".repeat(4000)))] });
    }
    await running.close();
    const half = readFileSync(databasePath);
    half.fill(0, half.length / 2, half.length / 2 + 8192);
    rmSync(databasePath);
    writeFileSync(databasePath, half, { mode: 0o600 });
    writeFileSync(join(directory, "store.pid"), "4711 1\n", { mode: 0o600 });
    await expect(open()).rejects.toMatchObject({ code: "MESH_STORE_CORRUPT" });
  });

  it("that cannot be made are told about", async () => {
    writeFileSync(join(root, "file"), "");
    await expect(open({ directory: join(root, "file/store") })).rejects.toMatchObject({
      code: "MESH_DISK_FAILED",
    });
  });
});

describe("a database that is not as it should be", () => {
  it("is left alone when it is newer", async () => {
    await (await open()).close();
    const database = openDatabase(databasePath);
    database.exec("PRAGMA user_version = 99");
    database.close();
    await expect(open()).rejects.toMatchObject({ code: "MESH_STORE_NEWER" });
    await expect(open()).rejects.toMatchObject({ details: { version: 99 } });
  });

  it("is refused when another program wrote it", async () => {
    await (await open()).close();
    const database = openDatabase(databasePath);
    database.exec("PRAGMA application_id = 7");
    database.close();
    await expect(open()).rejects.toMatchObject({ code: "MESH_STORE_CORRUPT" });
  });

  it("is refused when it is no database", async () => {
    await (await open()).close();
    writeFileSync(databasePath, "not a database at all".repeat(1000));
    await expect(open()).rejects.toMatchObject({ code: "MESH_STORE_CORRUPT" });
  });

  it("is noticed when half of it is missing", async () => {
    const first = await open();
    for (let index = 0; index < 200; index++) {
      await first.transact({ success: [put(`k/${index}`, marked("x", 4000))] });
    }
    await first.close();
    truncateSync(databasePath, Math.floor(statSync(databasePath).size / 8192) * 4096);
    const readAll = async () => {
      const store = await open();
      try {
        await store.range({ prefix: "" });
      } finally {
        await store.close();
      }
    };
    await expect(readAll()).rejects.toMatchObject({ code: "MESH_STORE_CORRUPT" });
  });

  it("gives no value in which a bit has flipped", async () => {
    const first = await open();
    await first.transact({ success: [put("good", marked("good ")), put("bad", marked("bad "))] });
    await first.close();
    const file = readFileSync(databasePath);
    const at = file.indexOf("bad bad bad");
    file.writeUInt8(file.readUInt8(at) ^ 1, at);
    writeFileSync(databasePath, file);
    const store = await open();
    await expect(store.get("bad")).rejects.toMatchObject({ code: "MESH_STORE_CORRUPT" });
    expect((await store.get("good"))?.value).toEqual(marked("good "));
    await store.close();
  });
});

describe("a full disk", () => {
  it("refuses the write whole, and what is there stays readable and writable", async () => {
    const store = await open({ databaseBytesMax: 512 << 10, historyRevisionsMax: 1 });
    const fitting = await store.transact({ success: [put("small", marked("x"))] });
    const large = new Uint8Array(300 << 10).fill(7);
    const refused = store.transact({ success: [put("left", large), put("right", large)] });
    await expect(refused).rejects.toMatchObject({ code: "MESH_DISK_FULL" });
    expect(await store.get("left")).toBeUndefined();
    expect((await store.get("small"))?.value).toEqual(marked("x"));
    expect((await store.status()).revision).toBe(fitting.revision);
    const next = await store.transact({ success: [put("small", marked("y"))] });
    expect(next.revision).toBe(fitting.revision + 1);
    await store.close();
    const again = await open();
    expect((await again.status()).keys).toBe(1);
    await again.close();
  });

  it("deletes the keys of an ended lease when there is room again", async () => {
    const store = await open({ databaseBytesMax: 256 << 10, historyRevisionsMax: 1 });
    const lease = await store.grantLease(1000);
    await store.transact({ success: [put("leased", marked("x"), lease.id)] });
    let filled = 0;
    const fill = () =>
      store.transact({ success: [put(`fill/${filled++}`, new Uint8Array(4000))] }).then(
        () => true,
        () => false,
      );
    while (await fill());
    clock.pass(1000);
    await settle(store, 1);
    await store.transact({ success: [removeRange({ prefix: "fill/" })] }).catch(() => undefined);
    clock.pass(1000);
    await settle(store, 1);
    expect(await store.get("leased")).toBeUndefined();
    await store.close();
  });
});

describe("the history", () => {
  it("is kept to its number of revisions by itself", async () => {
    const store = await open({ historyRevisionsMax: 10 });
    let revision = 0;
    for (let index = 0; index < 300; index++) {
      const operation = index % 7 === 6 ? remove("k/0") : put(`k/${index % 5}`, marked("x"));
      revision = (await store.transact({ success: [operation] })).revision;
    }
    const status = await store.status();
    expect(status.compactedRevision).toBe(revision - 10);
    const oldest = await store.range({ prefix: "" }, { revision: revision - 10 });
    expect(oldest.entries.length).toBeGreaterThanOrEqual(4);
    await expect(store.get("k/1", { revision: revision - 11 })).rejects.toMatchObject({
      code: "MESH_STORE_COMPACTED",
    });
    await store.close();
    expect(countRows("change")).toBeLessThanOrEqual(10 + 5);
    expect(countRows("live")).toBe(status.keys);
  });

  it("is kept to its bytes by itself", async () => {
    const store = await open({ historyBytesMax: 100_000 });
    for (let index = 0; index < 100; index++) {
      await store.transact({ success: [put("k", new Uint8Array(10_000))] });
    }
    const { revision, compactedRevision } = await store.status();
    expect(revision - compactedRevision).toBeLessThanOrEqual(10);
    await store.close();
    const again = await open({ historyBytesMax: 50_000 });
    await again.transact({ success: [put("k", marked("x"))] });
    const after = await again.status();
    expect(after.revision - after.compactedRevision).toBeLessThanOrEqual(5);
    await again.close();
  });

  it("is tidied in small steps after a compaction, also over a restart", async () => {
    let store = await open();
    for (let index = 0; index < 1000; index += 100) {
      const keys = Array.from({ length: 100 }, (_, offset) => `k/${index + offset}`);
      await store.transact({ success: keys.map((key) => put(key, marked("x"))) });
    }
    const { revision } = await store.transact({ success: [removeRange({ prefix: "k/" })] });
    await store.compact(revision);
    await store.close();
    expect(countRows("change")).toBeGreaterThan(1000);
    store = await open();
    await store.transact({ success: [put("a", marked("x"))] });
    await settle(store, 50);
    await store.close();
    expect(countRows("change")).toBe(1);
  });
});
