import { limits } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import * as keyValueLimits from "./limits.js";
import { ENGINES, type KeyValueFixture, keyValueFixture } from "./testing/key-value-fixture.js";

/** Every write of an engine on disk waits for it, and it may be slow and busy. */
vi.setConfig({ testTimeout: 60_000 });

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: Uint8Array) => new TextDecoder().decode(value);
const code = (name: string) => expect.objectContaining({ code: name });

describe.each(ENGINES)("keys and values on %s", (engine) => {
  let f: KeyValueFixture;
  beforeEach(async () => {
    f = await keyValueFixture(engine);
  });
  afterEach(() => f.dispose());

  it("writes, reads, reads the past, deletes", async () => {
    const { service, operator } = f;
    const first = await service.put(operator, "app/db", bytes("one"));
    expect(first).toMatchObject({ version: 1, createRevision: first.revision, leaseId: 0 });
    const second = await service.put(operator, "app/db", bytes("two"));
    expect(second).toMatchObject({ version: 2, createRevision: first.revision });
    const read = await service.get(operator, "app/db");
    expect(text(read.entry.value)).toBe("two");
    expect(read).toMatchObject({
      revision: second.revision,
      entry: { key: "app/db", modRevision: second.revision, version: 2 },
    });
    const past = await service.get(operator, "app/db", { revision: first.revision });
    expect(text(past.entry.value)).toBe("one");
    expect(await service.delete(operator, "app/db")).toMatchObject({ deleted: 1 });
    await expect(service.get(operator, "app/db")).rejects.toEqual(code("MESH_KV_NOT_FOUND"));
    await expect(service.delete(operator, "app/db")).rejects.toEqual(code("MESH_KV_NOT_FOUND"));
  });

  it("writes only what was expected", async () => {
    const { service, operator } = f;
    const made = await service.put(operator, "a", bytes("1"), { ifNoneMatch: "*" });
    await expect(
      service.put(operator, "a", bytes("2"), { ifNoneMatch: "*" }),
    ).rejects.toMatchObject({ code: "MESH_KV_CHANGED", details: { modRevision: made.revision } });
    const next = await service.put(operator, "a", bytes("2"), { ifMatch: made.revision });
    await expect(
      service.put(operator, "a", bytes("3"), { ifMatch: made.revision }),
    ).rejects.toMatchObject({ details: { modRevision: next.revision } });
    await expect(service.put(operator, "b", bytes("3"), { ifMatch: "*" })).rejects.toMatchObject({
      code: "MESH_KV_CHANGED",
      details: { modRevision: 0 },
    });
    await expect(service.delete(operator, "a", { ifMatch: made.revision })).rejects.toEqual(
      code("MESH_KV_CHANGED"),
    );
    expect(text((await service.get(operator, "a")).entry.value)).toBe("2");
    await service.delete(operator, "a", { ifMatch: next.revision });
  });

  it.each([
    "",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "a/../b",
    "a/./b",
    "a\u0000",
    "a\nb",
    "a\u007f",
    "a\u0085",
    "\ud800",
    "x\u{10ffff}",
    "locks",
    "locks/a",
    "x".repeat(256),
    `${"x/".repeat(64)}x`,
    "x".repeat(250).concat("/").repeat(17),
  ])("refuses the key %j", async (key) => {
    const { service, operator, store } = f;
    const before = (await store.status()).revision;
    const refused = code("MESH_STORE_KEY_INVALID");
    await expect(service.put(operator, key, bytes("x"))).rejects.toEqual(refused);
    await expect(service.get(operator, key)).rejects.toEqual(refused);
    await expect(service.delete(operator, key)).rejects.toEqual(refused);
    await expect(service.watch(operator, { key })).rejects.toEqual(refused);
    const operation = { type: "get", key } as const;
    await expect(service.transact(operator, { success: [operation] })).rejects.toEqual(refused);
    expect((await store.status()).revision).toBe(before);
  });

  it("takes any other text, and never mixes keys with the member's own records", async () => {
    const { service, operator, store } = f;
    await store.transact({
      success: [{ type: "put", key: "authority/member", value: bytes("kept") }],
    });
    const keys = [
      "authority/member",
      "kv/d/x",
      "a b",
      "ключ/鍵",
      "😀",
      "%2F",
      "...",
      "x".repeat(255),
    ];
    for (const key of keys) await service.put(operator, key, bytes(key));
    const { entries } = await service.list(operator, "");
    const sorted = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(entries.map((entry) => entry.key)).toEqual(sorted);
    await service.deletePrefix(operator, "");
    expect((await service.list(operator, "")).entries).toEqual([]);
    expect(text((await store.get("authority/member"))?.value ?? bytes(""))).toBe("kept");
  });

  it("holds a value to its limit, and takes an empty one", async () => {
    const { service, operator } = f;
    const largest = new Uint8Array(limits.STORE_VALUE_BYTES_MAX);
    await service.put(operator, "large", largest);
    await service.put(operator, "empty", bytes(""));
    expect((await service.get(operator, "empty")).entry.value).toHaveLength(0);
    await expect(
      service.put(operator, "large", new Uint8Array(limits.STORE_VALUE_BYTES_MAX + 1)),
    ).rejects.toEqual(code("MESH_STORE_VALUE_TOO_LARGE"));
  });

  it("lists page by page, as of one revision", async () => {
    const { service, operator } = f;
    for (const key of ["a", "a/1", "a/2", "a/3", "a0", "b"]) {
      await service.put(operator, key, bytes(key));
    }
    const first = await service.list(operator, "a/", { limit: 2, keysOnly: true });
    expect(first.entries.map((entry) => entry.key)).toEqual(["a/1", "a/2"]);
    expect(first.entries[0]?.value).toHaveLength(0);
    expect(first.more).toBe(true);
    await service.put(operator, "a/25", bytes("later"));
    const rest = { after: "a/2", revision: first.revision };
    const second = await service.list(operator, "a/", rest);
    expect(second.entries.map((entry) => entry.key)).toEqual(["a/3"]);
    expect(second.more).toBe(false);
    const any = await service.list(operator, "a", { after: "a/25" });
    expect(any.entries.map((entry) => entry.key)).toEqual(["a/3", "a0"]);
    const none = await service.list(operator, "a", { after: "b" });
    expect(none.entries).toEqual([]);
  });

  it("fills a page with values only as far as an answer holds", async () => {
    const { service, operator } = f;
    const value = new Uint8Array(limits.STORE_VALUE_BYTES_MAX);
    for (let i = 0; i < 9; i++) await service.put(operator, `big/${i}`, value);
    const page = await service.list(operator, "big/");
    expect(page.entries.length).toBeLessThan(9);
    expect(page.more).toBe(true);
    expect((await service.list(operator, "big/", { keysOnly: true })).entries).toHaveLength(9);
  });

  it("deletes a prefix at once, and says no to half a name", async () => {
    const { service, operator } = f;
    for (const key of ["a/1", "a/2", "a", "ab"]) await service.put(operator, key, bytes("x"));
    await expect(service.deletePrefix(operator, "a")).rejects.toEqual(
      code("MESH_STORE_KEY_INVALID"),
    );
    expect(await service.deletePrefix(operator, "a/")).toMatchObject({ deleted: 2 });
    expect(await service.deletePrefix(operator, "a/")).toMatchObject({ deleted: 0 });
    const left = await service.list(operator, "");
    expect(left.entries.map((entry) => entry.key)).toEqual(["a", "ab"]);
  });

  it("answers an unreadable revision with the store's own errors", async () => {
    const { service, operator, store } = f;
    const { revision } = await service.put(operator, "a", bytes("1"));
    await service.put(operator, "a", bytes("2"));
    await store.compact(revision + 1);
    await expect(service.get(operator, "a", { revision })).rejects.toEqual(
      code("MESH_STORE_COMPACTED"),
    );
    await expect(service.get(operator, "a", { revision: 999 })).rejects.toEqual(
      code("MESH_STORE_FUTURE_REVISION"),
    );
  });

  it("writes a transaction on one of its two branches, with results in order", async () => {
    const { service, operator } = f;
    const made = await service.put(operator, "from", bytes("7"));
    const move = {
      compare: [{ key: "from", target: "modRevision", is: "=", value: made.revision }],
      success: [
        { type: "put", key: "to", value: bytes("7") },
        { type: "delete", key: "from" },
        { type: "get", key: "to" },
      ],
      failure: [{ type: "get", key: "from" }],
    } as const;
    const done = await service.transact(operator, move);
    expect(done).toMatchObject({ succeeded: true, revision: made.revision + 1 });
    expect(done.results).toMatchObject([
      { type: "put" },
      { type: "delete", deleted: 1 },
      { type: "get", entry: { key: "to", modRevision: done.revision } },
    ]);
    const again = await service.transact(operator, move);
    expect(again).toMatchObject({ succeeded: false, results: [{ entry: undefined }] });
    const all = [{ type: "deletePrefix", prefix: "" }] as const;
    expect((await service.transact(operator, { success: all })).results).toEqual([
      { type: "delete", deleted: 1 },
    ]);
  });

  it("refuses a transaction that is too long or writes a key twice", async () => {
    const { service, operator } = f;
    const many = Array.from({ length: 129 }, (_, i) => ({ type: "get", key: `k${i}` }) as const);
    await expect(service.transact(operator, { success: many })).rejects.toEqual(
      code("MESH_STORE_TXN_TOO_LARGE"),
    );
    const twice = { type: "delete", key: "a" } as const;
    await expect(service.transact(operator, { success: [twice, twice] })).rejects.toMatchObject({
      code: "MESH_BAD_REQUEST",
      message: 'the transaction writes "a" twice',
    });
  });
});

describe.each(ENGINES)("what all users hold together on %s", (engine) => {
  it("is limited in keys and bytes; what does not grow it may still be written", async () => {
    const usageLimits = { entriesMax: 2, bytesMax: 20 };
    const f = await keyValueFixture(engine, { usageLimits });
    const { service, operator } = f;
    await service.put(operator, "a", bytes("12345"));
    await service.put(operator, "b", bytes("12345"));
    const settled = () =>
      vi.waitFor(
        async () => expect(await service.used()).toMatchObject({ entries: 2, bytes: 12 }),
        { timeout: 20_000 },
      );
    await settled();
    const full = code("MESH_STORE_NO_SPACE");
    await expect(service.put(operator, "c", bytes(""))).rejects.toEqual(full);
    await expect(service.put(operator, "a", bytes("1".repeat(20)))).rejects.toEqual(full);
    const put = { type: "put", key: "c", value: bytes("") } as const;
    await expect(service.transact(operator, { success: [put] })).rejects.toEqual(full);
    await service.put(operator, "a", bytes("54321"));
    await service.transact(operator, { success: [{ ...put, key: "b", value: bytes("54321") }] });
    await settled();
    // Another coordinator counts what is there.
    await expect(f.another().put(operator, "c", bytes(""))).rejects.toEqual(full);
    await service.delete(operator, "a");
    await vi.waitFor(() => service.put(operator, "c", bytes("")), { timeout: 20_000 });
    await f.dispose();
  });

  it("is limited in leases, of one identity and of all", async () => {
    const f = await keyValueFixture(engine, {
      usageLimits: { leasesMax: 3, leasesPerOwnerMax: 2 },
    });
    const { service } = f;
    const ann = f.person("ann", ["/kv/ann:all"]);
    const bob = f.person("bob", ["/kv/bob:all"]);
    await service.put(ann, "ann/a", bytes("x"), { ttlMs: 60_000 });
    const lease = await service.grantLease(ann, 60_000);
    const leases = (count: number) =>
      vi.waitFor(async () => expect(await service.used()).toMatchObject({ leases: count }), {
        timeout: 20_000,
      });
    await leases(2);
    await expect(service.grantLease(ann, 60_000)).rejects.toMatchObject({
      code: "MESH_LIMIT",
      message: "you have 2 open leases already",
    });
    await service.put(bob, "bob/a", bytes("x"), { ttlMs: 60_000 });
    await leases(3);
    await expect(service.put(bob, "bob/b", bytes("x"), { ttlMs: 60_000 })).rejects.toMatchObject({
      code: "MESH_LIMIT",
      message: /all users/,
    });
    await service.revokeLease(ann, lease.leaseId);
    await leases(2);
    await service.put(bob, "bob/b", bytes("x"), { ttlMs: 60_000 });
    await f.dispose();
  });
});

describe("limits", () => {
  it("fit each other", () => {
    const { KV_KEY_BYTES_MAX, KV_LEASES_MAX, KV_WATCHES_MAX } = keyValueLimits;
    expect(KV_KEY_BYTES_MAX + "kv/d/".length).toBeLessThanOrEqual(limits.STORE_KEY_BYTES_MAX);
    expect(KV_LEASES_MAX).toBeLessThan(limits.STORE_LEASES_MAX);
    expect(KV_WATCHES_MAX).toBeLessThan(limits.HTTP_REQUESTS_IN_FLIGHT_MAX);
  });
});
