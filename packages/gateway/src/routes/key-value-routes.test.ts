/** Keys over HTTP: values, conditions, leases, waiting, listing. */
import { limits, systemClock } from "@hearthmesh/core";
import { memoryStore } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { base64, bodyOf, KeyValueDoors, problem } from "../testing/key-value-doors.js";

vi.setConfig({ testTimeout: 60_000 });

let doors: KeyValueDoors;
beforeEach(async () => {
  doors = await KeyValueDoors.open(memoryStore({ clock: systemClock() }));
});
afterEach(() => doors.close());

describe("a key over HTTP", () => {
  it("is its bytes, with its revisions in the headers", async () => {
    const bytes = new Uint8Array([0, 255, 10, 13]);
    const made = await doors.put("app/db", bytes);
    const written = await bodyOf(made);
    expect(made.status).toBe(200);
    expect(written).toMatchObject({ key: "app/db", version: 1 });
    expect(made.headers.get("etag")).toBe(`"${written.revision}"`);
    const read = await fetch(doors.url("app/db"));
    expect(new Uint8Array(await read.arrayBuffer())).toEqual(bytes);
    const headers = Object.fromEntries(read.headers);
    expect(headers).toMatchObject({
      "content-type": "application/octet-stream",
      "content-disposition": "attachment",
      etag: `"${written.revision}"`,
      "x-kv-revision": String(written.revision),
      "x-kv-create-revision": String(written.revision),
      "x-kv-version": "1",
    });
    expect(headers).not.toHaveProperty("x-kv-lease");
    const head = await fetch(doors.url("app/db"), { method: "HEAD" });
    expect([head.status, head.headers.get("content-length")]).toEqual([200, "4"]);
    const tag = { "if-none-match": `"${written.revision}"` };
    expect((await fetch(doors.url("app/db"), { headers: tag })).status).toBe(304);
    await doors.put("app/db", "two");
    const past = await fetch(doors.url("app/db", `?revision=${written.revision}`));
    expect(new Uint8Array(await past.arrayBuffer())).toEqual(bytes);
    const removed = await fetch(doors.url("app/db"), { method: "DELETE" });
    expect(await bodyOf(removed)).toMatchObject({ deleted: 1 });
    const gone = await fetch(doors.url("app/db"));
    expect(gone.headers.get("x-kv-revision")).toMatch(/^\d+$/);
    expect(await problem(gone)).toEqual([404, "MESH_KV_NOT_FOUND"]);
  });

  it.each([
    "a b",
    "100%",
    "%2F",
    "ключ/鍵",
    "?x=1#y",
    "a+b",
    "...",
    "x".repeat(200).concat("/").repeat(20).concat("y"),
  ])("may be called %j", async (key) => {
    await doors.put(key, key);
    expect(await (await fetch(doors.url(key))).text()).toBe(key);
    expect(await bodyOf(await fetch(`${doors.base}/api/kv`))).toMatchObject({
      entries: [{ key }],
    });
  });

  it.each([
    ["PUT", "/api/kv/"],
    ["PUT", "/api/kv//a"],
    ["PUT", "/api/kv/a//b"],
    ["PUT", "/api/kv/a/"],
    ["GET", "/api/kv/a%00"],
    ["GET", "/api/kv/a%0A"],
    ["GET", "/api/kv/locks/a"],
    ["DELETE", "/api/kv/a%2F%2Fb"],
    ["GET", "/api/kv-watch?key=a//b"],
    ["GET", `/api/kv/${"x".repeat(256)}`],
    ["DELETE", "/api/kv?prefix=a"],
  ])("is refused: %s %s", async (method, path) => {
    const body = method === "PUT" ? "x" : null;
    const answer = await fetch(doors.base + path, { method, body });
    expect(await problem(answer)).toEqual([400, "MESH_STORE_KEY_INVALID"]);
  });

  it("is written only under its conditions", async () => {
    const made = await doors.put("a", "1", { "if-none-match": "*" });
    const etag = made.headers.get("etag") ?? "";
    expect(await problem(await doors.put("a", "2", { "if-none-match": "*" }))).toEqual([
      412,
      "MESH_KV_CHANGED",
    ]);
    expect((await doors.put("a", "2", { "if-match": etag })).status).toBe(200);
    expect((await doors.put("a", "3", { "if-match": etag })).status).toBe(412);
    expect((await doors.put("a", "3", { "if-match": "*" })).status).toBe(200);
    expect((await doors.put("b", "3", { "if-match": "*" })).status).toBe(412);
    const old = await fetch(doors.url("a"), { method: "DELETE", headers: { "if-match": etag } });
    expect(await problem(old)).toEqual([412, "MESH_KV_CHANGED"]);
    for (const bad of ["12", '"x"', 'W/"12"', '"1", "2"', '"0"', '"12', ""]) {
      const answer = await doors.put("a", "4", { "if-match": bad });
      expect(await problem(answer)).toEqual([400, "MESH_BAD_REQUEST"]);
    }
    expect((await doors.put("a", "4", { "if-none-match": etag })).status).toBe(400);
    expect(await (await fetch(doors.url("a"))).text()).toBe("3");
  });

  it("has a value up to its limit", async () => {
    const largest = new Uint8Array(limits.STORE_VALUE_BYTES_MAX);
    expect((await doors.put("a", largest)).status).toBe(200);
    const tooLarge = await doors.put("a", new Uint8Array(limits.STORE_VALUE_BYTES_MAX + 1));
    expect(await problem(tooLarge)).toEqual([413, "MESH_STORE_VALUE_TOO_LARGE"]);
    expect((await doors.put("empty", "")).status).toBe(200);
    expect(await (await fetch(doors.url("empty"))).text()).toBe("");
  });

  it("lives as long as its time, or with a lease", async () => {
    const timed = await doors.put("a", "1", {}, "?ttl=1h");
    expect(timed.headers.get("x-kv-lease")).toMatch(/^\d+$/);
    const granted = await doors.post("/api/kv-leases", { ttl: "30s" });
    expect(granted.status).toBe(201);
    const { lease } = await bodyOf(granted);
    expect(lease).toMatchObject({ ttlMs: 30_000, purpose: "lease" });
    expect((await doors.put("b", "1", {}, `?lease=${lease.leaseId}`)).status).toBe(200);
    const kept = await doors.post(`/api/kv-leases/${lease.leaseId}/keep-alive`, {});
    expect((await bodyOf(kept)).lease).toEqual(lease);
    expect((await bodyOf(await fetch(`${doors.base}/api/kv-leases`))).leases).toHaveLength(2);
    const ended = await fetch(`${doors.base}/api/kv-leases/${lease.leaseId}`, { method: "DELETE" });
    expect(ended.status).toBe(200);
    expect((await fetch(doors.url("b"))).status).toBe(404);
    const gone = await doors.put("b", "1", {}, `?lease=${lease.leaseId}`);
    expect(await problem(gone)).toEqual([404, "MESH_STORE_LEASE_UNKNOWN"]);
    for (const query of ["?ttl=soon", "?ttl=1ms", "?lease=0", "?lease=x", "?lock=a", "?token=3"]) {
      expect(await problem(await doors.put("b", "1", {}, query))).toEqual([
        400,
        "MESH_BAD_REQUEST",
      ]);
    }
  });

  it("answers a revision that is gone or not there yet", async () => {
    const { revision } = await bodyOf(await doors.put("a", "1"));
    await doors.put("a", "2");
    await doors.store.compact(revision + 1);
    expect(await problem(await fetch(doors.url("a", `?revision=${revision}`)))).toEqual([
      410,
      "MESH_STORE_COMPACTED",
    ]);
    expect(await problem(await fetch(doors.url("a", "?revision=999999")))).toEqual([
      400,
      "MESH_STORE_FUTURE_REVISION",
    ]);
    expect((await fetch(doors.url("a", "?revision=-1"))).status).toBe(400);
  });

  it("is waited for", async () => {
    const { revision } = await bodyOf(await doors.put("a", "1"));
    const now = await fetch(doors.url("a", `?wait=30s&after=${revision - 1}`));
    expect(await now.text()).toBe("1");
    const waiting = fetch(doors.url("a", `?wait=30s&after=${revision}`));
    await doors.put("other", "x");
    await doors.put("a", "2");
    expect(await (await waiting).text()).toBe("2");
    const list = fetch(`${doors.base}/api/kv?prefix=app/&wait=30s&waitAfter=${revision}`);
    await doors.put("app/x", "1");
    expect(await bodyOf(await list)).toMatchObject({ entries: [{ key: "app/x" }] });
    const late = await fetch(doors.url("a", `?wait=10ms&after=${revision + 10}`));
    expect([late.status, late.headers.get("x-kv-revision")]).toEqual([304, `${revision + 10}`]);
    const quiet = await fetch(`${doors.base}/api/kv?wait=10ms&waitAfter=${revision + 10}`);
    expect(quiet.status).toBe(304);
    const gone = fetch(doors.url("a", `?wait=30s&after=${revision + 3}`));
    await fetch(doors.url("a"), { method: "DELETE" });
    expect((await gone).status).toBe(404);
    for (const query of ["?wait=30s", "?after=3", "?wait=1h&after=3", "?wait=x&after=3"]) {
      expect((await fetch(doors.url("a", query))).status).toBe(400);
    }
  });
});

describe("keys over HTTP", () => {
  it("are listed in pages and deleted by prefix", async () => {
    for (const key of ["a/1", "a/2", "a/3", "b"]) await doors.put(key, key);
    const page = await bodyOf(await fetch(`${doors.base}/api/kv?prefix=a/&limit=2&values=true`));
    expect(page).toMatchObject({
      entries: [{ key: "a/1", valueBase64: base64("a/1") }, { key: "a/2" }],
      more: true,
    });
    const rest = `${doors.base}/api/kv?prefix=a/&after=a/2&revision=${page.revision}`;
    const { entries } = await bodyOf(await fetch(rest));
    expect(entries).toMatchObject([{ key: "a/3" }]);
    expect(entries[0]).not.toHaveProperty("valueBase64");
    const deleted = await fetch(`${doors.base}/api/kv?prefix=a/`, { method: "DELETE" });
    expect(await bodyOf(deleted)).toMatchObject({ deleted: 3 });
    expect((await fetch(`${doors.base}/api/kv`, { method: "DELETE" })).status).toBe(400);
    expect((await fetch(`${doors.base}/api/kv?limit=0`)).status).toBe(400);
  });
});
