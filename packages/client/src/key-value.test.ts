import { randomBytes } from "node:crypto";
import { systemClock, systemRandom } from "@hearthmesh/core";
import { KV_HEADERS, keyValuePath } from "@hearthmesh/gateway/contracts";
import { memoryStore } from "@hearthmesh/store";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ApiClient } from "./api-client.js";
import { KeyValueClient } from "./key-value.js";
import { keyPath } from "./key-value-wire.js";
import { LockClient } from "./locks.js";
import { type KeyValueHome, keyValueHome } from "./testing/key-value-home.js";

const [clock, random] = [systemClock(), systemRandom()];
let home: KeyValueHome;
let keyValue: KeyValueClient;
let locks: LockClient;

beforeAll(async () => {
  home = await keyValueHome(memoryStore({ clock }));
  const door = home.operator();
  keyValue = new KeyValueClient({ door, clock, random });
  locks = new LockClient({ door, clock, random });
});
afterAll(() => home.close());

async function all<Item>(source: AsyncIterable<Item>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const item of source) items.push(item);
  return items;
}

describe("KeyValueClient with the real doors", () => {
  it("finds a key where the contract has it", () => {
    for (const key of ["app/größe #1?", "a", "a/b c/%2f", "..."]) {
      expect(keyPath(key)).toBe(keyValuePath(key));
    }
    expect(Object.values(KV_HEADERS)).toEqual(
      expect.arrayContaining(["x-kv-create-revision", "x-kv-version", "x-kv-lease"]),
    );
  });

  it("writes bytes, text and JSON, and reads them with their revisions", async () => {
    const bytes = randomBytes(1 << 20);
    const first = await keyValue.put("t/größe #1?", bytes);
    expect(first).toMatchObject({ version: 1, createRevision: first.revision });
    const read = await keyValue.get("t/größe #1?");
    expect(read).toMatchObject({ ...first, etag: String(first.revision) });
    expect(bytes.equals(read?.value ?? bytes.subarray(1))).toBe(true);
    await keyValue.put("t/text", "grün");
    expect(await keyValue.getText("t/text")).toBe("grün");
    const { etag } = await keyValue.putJson("t/json", { size: 3 });
    expect(await keyValue.getJson("t/json")).toEqual({ body: { size: 3 }, etag });
    await expect(keyValue.getJson("t/text")).rejects.toMatchObject({ code: "MESH_BAD_REQUEST" });
    const empty = await keyValue.put("t/empty", "");
    expect((await keyValue.get("t/empty"))?.value).toHaveLength(0);
    expect(await keyValue.get("t/none")).toBeUndefined();
    const past = { revision: empty.revision - 1 };
    expect(await keyValue.get("t/empty", past)).toBeUndefined();
    await expect(keyValue.put("t/large", Buffer.alloc((1 << 20) + 1))).rejects.toMatchObject({
      code: "MESH_STORE_VALUE_TOO_LARGE",
    });
  });

  it("writes under conditions", async () => {
    const { etag } = await keyValue.put("c/key", "1", { ifAbsent: true });
    const changed = { code: "MESH_KV_CHANGED", exitCode: 5 };
    await expect(keyValue.put("c/key", "2", { ifAbsent: true })).rejects.toMatchObject(changed);
    const next = await keyValue.put("c/key", "2", { ifMatch: etag });
    expect(next.version).toBe(2);
    await expect(keyValue.put("c/key", "3", { ifMatch: etag })).rejects.toMatchObject(changed);
    await keyValue.put("c/key", "3", { ifMatch: "*" });
    await expect(keyValue.put("c/other", "3", { ifMatch: "*" })).rejects.toMatchObject(changed);
    await expect(keyValue.delete("c/key", { ifMatch: etag })).rejects.toMatchObject(changed);
    expect(await keyValue.delete("c/key")).toBe(true);
    expect(await keyValue.delete("c/key")).toBe(false);
  });

  it("lists and deletes by prefix, all pages as they were at the first", async () => {
    for (let at = 0; at < 9; at++) {
      const success = Array.from({ length: 120 }, (_, n) => ({
        type: "put" as const,
        key: `l/${at}-${String(n).padStart(3, "0")}`,
        value: String(n),
      }));
      await keyValue.transaction({ success });
    }
    const pages = keyValue.list("l/");
    const first = await pages.next();
    expect(first.value).toMatchObject({ key: "l/0-000", value: Buffer.from("0") });
    await keyValue.put("l/9-new", "after the first page");
    expect(await all(pages)).toHaveLength(9 * 120 - 1);
    const some = await all(keyValue.list("l/3-", { keysOnly: true, limit: 5 }));
    expect(some.map(({ key }) => key)).toEqual([0, 1, 2, 3, 4].map((n) => `l/3-00${n}`));
    expect(some[0]).not.toHaveProperty("value");
    expect(await keyValue.deletePrefix("l/")).toBe(9 * 120 + 1);
    expect(await all(keyValue.list("l/"))).toEqual([]);
  });

  it("compares, writes and reads at once", async () => {
    await keyValue.put("x/colour", "red");
    const change = {
      compare: [{ key: "x/colour", target: "value", is: "=", value: "red" }],
      success: [
        { type: "put", key: "x/colour", value: "green" },
        { type: "get", key: "x/colour" },
        { type: "get", key: "x/none" },
        { type: "delete", key: "x/none" },
      ],
      failure: [{ type: "get", key: "x/colour" }],
    } as const;
    const done = await keyValue.transaction(change);
    expect(done.succeeded).toBe(true);
    expect(done.results).toMatchObject([
      { type: "put" },
      { type: "get", entry: { key: "x/colour", value: Buffer.from("green") } },
      { type: "get", entry: undefined },
      { type: "delete", deleted: 0 },
    ]);
    const again = await keyValue.transaction(change);
    expect(again).toMatchObject({ succeeded: false, results: [{ entry: { version: 2 } }] });
  });

  it("ties keys to leases", async () => {
    const lease = await keyValue.grantLease(60_000);
    const written = await keyValue.put("e/a", "1", { leaseId: lease.leaseId });
    expect(written.leaseId).toBe(lease.leaseId);
    expect((await keyValue.get("e/a"))?.leaseId).toBe(lease.leaseId);
    expect((await keyValue.leases()).map(({ leaseId }) => leaseId)).toContain(lease.leaseId);
    await keyValue.keepLeaseAlive(lease.leaseId);
    await keyValue.revokeLease(lease.leaseId);
    expect(await keyValue.get("e/a")).toBeUndefined();
    await expect(keyValue.keepLeaseAlive(lease.leaseId)).rejects.toMatchObject({
      code: "MESH_STORE_LEASE_UNKNOWN",
    });
    expect((await keyValue.put("e/b", "1", { ttlMs: 60_000 })).leaseId).toBeGreaterThan(0);
  });

  it("refuses an old holder's write by its token", async () => {
    const lock = await locks.acquire("f/lock", { holder: "the first" });
    const fence = { lock: lock.name, token: lock.token };
    await keyValue.put("f/key", "1", { fence });
    const success = [{ type: "put", key: "f/key", value: "2" }] as const;
    await keyValue.transaction({ success, fence });
    await lock.release();
    const next = await locks.acquire("f/lock");
    expect(next.token).toBeGreaterThan(lock.token);
    const lost = { code: "MESH_LOCK_LOST" };
    await expect(keyValue.put("f/key", "3", { fence })).rejects.toMatchObject(lost);
    await expect(keyValue.transaction({ success, fence })).rejects.toMatchObject(lost);
    expect(await keyValue.getText("f/key")).toBe("2");
    await next.release();
  });

  it("shows a person what the grants cover, and nothing else", async () => {
    const credentials = await home.credentialsOf("carol@office.carol", ["/kv/mine:read+write"]);
    const api = new ApiClient({ finder: home.finder(), credentials, clock, random });
    const own = new KeyValueClient({ door: api, clock, random });
    await keyValue.put("theirs", "1");
    await own.put("mine/a", "1");
    const forbidden = { code: "MESH_FORBIDDEN" };
    await expect(own.put("theirs", "2")).rejects.toMatchObject(forbidden);
    await expect(own.watch({ key: "theirs" }).next()).rejects.toMatchObject(forbidden);
    expect((await all(own.list())).map(({ key }) => key)).toEqual(["mine/a"]);
    await api.settled();
    api.close();
  });
});
