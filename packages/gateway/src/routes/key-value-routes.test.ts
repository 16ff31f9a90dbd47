/** Keys, watches, transactions, leases and locks over HTTP, by the operator and by people. */
import { request as httpsRequest } from "node:https";
import { KeyValueService } from "@hearthmesh/collective";
import { limits, silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { memoryStore, type Store } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { keyValuePath } from "../contracts/index.js";
import { ApiDoor } from "../doors/api-door.js";
import { LoopbackDoor } from "../doors/loopback-door.js";
import type { DoorCredentials } from "../services.js";
import { type GatewayFixture, gatewayFixture } from "../testing/index.js";

vi.setConfig({ testTimeout: 60_000 });

const clock = systemClock();
const random = systemRandom();
let store: Store;
let fixture: GatewayFixture;
let keyValue: KeyValueService;
let door: LoopbackDoor;
let api: ApiDoor;
let base: string;

beforeEach(async () => {
  store = memoryStore({ clock });
  fixture = await gatewayFixture({ store, clock, random });
  const policy = fixture.authority;
  keyValue = new KeyValueService({ store, policy, clock, log: silentLogger });
  const services = { ...fixture.services, keyValue };
  const { metrics, credentials } = fixture;
  const common = { host: "127.0.0.1", port: 0, services, metrics, credentials };
  door = new LoopbackDoor(common);
  api = new ApiDoor(common);
  await door.start();
  await api.start();
  base = `http://localhost:${door.address?.port}`;
});
afterEach(async () => {
  keyValue.close();
  await door.stop();
  await api.stop();
  await fixture.authority.close();
  await store.close();
});

const url = (key: string, query = "") => `${base}${keyValuePath(key)}${query}`;
const put = (key: string, body: string | Uint8Array, headers = {}, query = "") =>
  fetch(url(key, query), { method: "PUT", body: Buffer.from(body), headers });
const post = (path: string, body: unknown) =>
  fetch(base + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
const problem = async (answer: Response) => {
  expect(answer.headers.get("content-type")).toContain("application/problem+json");
  return [answer.status, (await answer.json()).code];
};
const base64 = (text: string) => Buffer.from(text).toString("base64");

interface PersonAnswer {
  readonly status: number;
  readonly text: string;
}

/** Under mutual TLS, as this person. `seen` is called with what has come so far. */
function as(
  credentials: DoorCredentials,
  path: string,
  options: { method?: string; body?: string; seen?: (text: string) => void } = {},
): Promise<PersonAnswer> {
  const { privateKeyPem: key, certificatePem: cert, caCertificatePem: ca } = credentials;
  const { method = "GET", body, seen = () => undefined } = options;
  const tls = { key, cert, ca, servername: "localhost", agent: false as const };
  return new Promise((resolve, reject) => {
    const port = api.address?.port ?? 0;
    const request = httpsRequest({ host: "127.0.0.1", port, path, method, ...tls }, (answer) => {
      let text = "";
      answer.on("data", (piece: Buffer) => {
        text += piece.toString();
        seen(text);
      });
      const done = () => resolve({ status: answer.statusCode ?? 0, text });
      answer.on("end", done);
      answer.on("error", done);
    });
    request.once("error", reject);
    request.end(body);
  });
}

describe("a key over HTTP", () => {
  it("is its bytes, with its revisions in the headers", async () => {
    const bytes = new Uint8Array([0, 255, 10, 13]);
    const made = await put("app/db", bytes);
    const written = await made.json();
    expect(made.status).toBe(200);
    expect(written).toMatchObject({ key: "app/db", version: 1 });
    expect(made.headers.get("etag")).toBe(`"${written.revision}"`);
    const read = await fetch(url("app/db"));
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
    const head = await fetch(url("app/db"), { method: "HEAD" });
    expect([head.status, head.headers.get("content-length")]).toEqual([200, "4"]);
    const tag = { "if-none-match": `"${written.revision}"` };
    expect((await fetch(url("app/db"), { headers: tag })).status).toBe(304);
    await put("app/db", "two");
    const past = await fetch(url("app/db", `?revision=${written.revision}`));
    expect(new Uint8Array(await past.arrayBuffer())).toEqual(bytes);
    const removed = await fetch(url("app/db"), { method: "DELETE" });
    expect(await removed.json()).toMatchObject({ deleted: 1 });
    const gone = await fetch(url("app/db"));
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
    await put(key, key);
    expect(await (await fetch(url(key))).text()).toBe(key);
    expect(await (await fetch(`${base}/api/kv`)).json()).toMatchObject({ entries: [{ key }] });
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
    const answer = await fetch(base + path, { method, body });
    expect(await problem(answer)).toEqual([400, "MESH_STORE_KEY_INVALID"]);
  });

  it("is written only under its conditions", async () => {
    const made = await put("a", "1", { "if-none-match": "*" });
    const etag = made.headers.get("etag") ?? "";
    expect(await problem(await put("a", "2", { "if-none-match": "*" }))).toEqual([
      412,
      "MESH_KV_CHANGED",
    ]);
    expect((await put("a", "2", { "if-match": etag })).status).toBe(200);
    expect((await put("a", "3", { "if-match": etag })).status).toBe(412);
    expect((await put("a", "3", { "if-match": "*" })).status).toBe(200);
    expect((await put("b", "3", { "if-match": "*" })).status).toBe(412);
    const old = await fetch(url("a"), { method: "DELETE", headers: { "if-match": etag } });
    expect(await problem(old)).toEqual([412, "MESH_KV_CHANGED"]);
    for (const bad of ["12", '"x"', 'W/"12"', '"1", "2"', '"0"', '"12', ""]) {
      const answer = await put("a", "4", { "if-match": bad });
      expect(await problem(answer)).toEqual([400, "MESH_BAD_REQUEST"]);
    }
    expect((await put("a", "4", { "if-none-match": etag })).status).toBe(400);
    expect(await (await fetch(url("a"))).text()).toBe("3");
  });

  it("has a value up to its limit", async () => {
    const largest = new Uint8Array(limits.STORE_VALUE_BYTES_MAX);
    expect((await put("a", largest)).status).toBe(200);
    const tooLarge = await put("a", new Uint8Array(limits.STORE_VALUE_BYTES_MAX + 1));
    expect(await problem(tooLarge)).toEqual([413, "MESH_STORE_VALUE_TOO_LARGE"]);
    expect((await put("empty", "")).status).toBe(200);
    expect(await (await fetch(url("empty"))).text()).toBe("");
  });

  it("lives as long as its time, or with a lease", async () => {
    const timed = await put("a", "1", {}, "?ttl=1h");
    expect(timed.headers.get("x-kv-lease")).toMatch(/^\d+$/);
    const granted = await post("/api/kv-leases", { ttl: "30s" });
    expect(granted.status).toBe(201);
    const { lease } = await granted.json();
    expect(lease).toMatchObject({ ttlMs: 30_000, purpose: "lease" });
    expect((await put("b", "1", {}, `?lease=${lease.leaseId}`)).status).toBe(200);
    const kept = await post(`/api/kv-leases/${lease.leaseId}/keep-alive`, {});
    expect((await kept.json()).lease).toEqual(lease);
    expect((await (await fetch(`${base}/api/kv-leases`)).json()).leases).toHaveLength(2);
    const ended = await fetch(`${base}/api/kv-leases/${lease.leaseId}`, { method: "DELETE" });
    expect(ended.status).toBe(200);
    expect((await fetch(url("b"))).status).toBe(404);
    const gone = await put("b", "1", {}, `?lease=${lease.leaseId}`);
    expect(await problem(gone)).toEqual([404, "MESH_STORE_LEASE_UNKNOWN"]);
    for (const query of ["?ttl=soon", "?ttl=1ms", "?lease=0", "?lease=x", "?lock=a", "?token=3"]) {
      expect(await problem(await put("b", "1", {}, query))).toEqual([400, "MESH_BAD_REQUEST"]);
    }
  });

  it("answers a revision that is gone or not there yet", async () => {
    const { revision } = await (await put("a", "1")).json();
    await put("a", "2");
    await store.compact(revision + 1);
    expect(await problem(await fetch(url("a", `?revision=${revision}`)))).toEqual([
      410,
      "MESH_STORE_COMPACTED",
    ]);
    expect(await problem(await fetch(url("a", "?revision=999999")))).toEqual([
      400,
      "MESH_STORE_FUTURE_REVISION",
    ]);
    expect((await fetch(url("a", "?revision=-1"))).status).toBe(400);
  });

  it("is waited for", async () => {
    const { revision } = await (await put("a", "1")).json();
    const now = await fetch(url("a", `?wait=30s&after=${revision - 1}`));
    expect(await now.text()).toBe("1");
    const waiting = fetch(url("a", `?wait=30s&after=${revision}`));
    await put("other", "x");
    await put("a", "2");
    expect(await (await waiting).text()).toBe("2");
    const list = fetch(`${base}/api/kv?prefix=app/&wait=30s&waitAfter=${revision}`);
    await put("app/x", "1");
    expect(await (await list).json()).toMatchObject({ entries: [{ key: "app/x" }] });
    const late = await fetch(url("a", `?wait=10ms&after=${revision + 10}`));
    expect([late.status, late.headers.get("x-kv-revision")]).toEqual([304, `${revision + 10}`]);
    const quiet = await fetch(`${base}/api/kv?wait=10ms&waitAfter=${revision + 10}`);
    expect(quiet.status).toBe(304);
    const gone = fetch(url("a", `?wait=30s&after=${revision + 3}`));
    await fetch(url("a"), { method: "DELETE" });
    expect((await gone).status).toBe(404);
    for (const query of ["?wait=30s", "?after=3", "?wait=1h&after=3", "?wait=x&after=3"]) {
      expect((await fetch(url("a", query))).status).toBe(400);
    }
  });
});

describe("keys over HTTP", () => {
  it("are listed in pages and deleted by prefix", async () => {
    for (const key of ["a/1", "a/2", "a/3", "b"]) await put(key, key);
    const page = await (await fetch(`${base}/api/kv?prefix=a/&limit=2&values=true`)).json();
    expect(page).toMatchObject({
      entries: [{ key: "a/1", valueBase64: base64("a/1") }, { key: "a/2" }],
      more: true,
    });
    const rest = `${base}/api/kv?prefix=a/&after=a/2&revision=${page.revision}`;
    const { entries } = await (await fetch(rest)).json();
    expect(entries).toMatchObject([{ key: "a/3" }]);
    expect(entries[0]).not.toHaveProperty("valueBase64");
    const deleted = await fetch(`${base}/api/kv?prefix=a/`, { method: "DELETE" });
    expect(await deleted.json()).toMatchObject({ deleted: 3 });
    expect((await fetch(`${base}/api/kv`, { method: "DELETE" })).status).toBe(400);
    expect((await fetch(`${base}/api/kv?limit=0`)).status).toBe(400);
  });

  it("change together in a transaction", async () => {
    const { revision } = await (await put("a", "1")).json();
    const request = {
      compare: [
        { key: "a", target: "modRevision", is: "=", value: revision },
        { key: "a", target: "value", is: "=", valueBase64: base64("1") },
      ],
      success: [
        { type: "put", key: "b", valueBase64: base64("2") },
        { type: "delete", key: "a" },
        { type: "get", key: "a" },
      ],
      failure: [{ type: "get", key: "b" }],
    };
    const done = await (await post("/api/kv-transactions", request)).json();
    expect(done).toEqual({
      succeeded: true,
      revision: revision + 1,
      results: [{ type: "put" }, { type: "delete", deleted: 1 }, { type: "get", entry: null }],
    });
    const again = await (await post("/api/kv-transactions", request)).json();
    expect(again).toMatchObject({
      succeeded: false,
      results: [{ entry: { key: "b", valueBase64: base64("2") } }],
    });
    const get = { type: "get", key: "a" };
    for (const bad of [
      {},
      { success: [{ type: "steal", key: "a" }] },
      { success: [{ type: "put", key: "a", valueBase64: "%%%" }] },
      { success: Array.from({ length: 129 }, () => get) },
      { success: [get], compare: [{ key: "a", target: "value", is: "<", valueBase64: "" }] },
      { success: [get], surprise: true },
    ]) {
      const answer = await post("/api/kv-transactions", bad);
      expect(await problem(answer)).toEqual([400, "MESH_BAD_REQUEST"]);
    }
    const large = { type: "put", key: "a", valueBase64: "A".repeat(limits.HTTP_JSON_BYTES_MAX) };
    expect((await post("/api/kv-transactions", { success: [large] })).status).toBe(413);
  });
});

describe("locks over HTTP", () => {
  it("are taken, shown, renewed, waited for and given back", async () => {
    const taken = await post("/api/locks/acquire", { name: "jobs/a", holder: "host-1" });
    const { held } = await taken.json();
    expect(held).toMatchObject({ name: "jobs/a", holder: "host-1", ttlMs: 30_000 });
    const other = await post("/api/locks/acquire", { name: "jobs/a" });
    expect(other.status).toBe(409);
    expect(await other.json()).toMatchObject({
      code: "MESH_LOCK_TAKEN",
      details: { holder: "host-1", sinceMs: held.sinceMs },
    });
    const fenced = `?lock=jobs%2Fa&token=${held.token}`;
    expect((await put("state", "1", {}, fenced)).status).toBe(200);
    const waiting = post("/api/locks/acquire", { name: "jobs/a", wait: "60s" });
    await vi.waitFor(async () => {
      const shown = await (await fetch(`${base}/api/locks/inspect?name=jobs/a`)).json();
      expect(shown.lock).toMatchObject({ held, waiting: 1 });
    });
    const { locks } = await (await fetch(`${base}/api/locks?prefix=jobs/`)).json();
    expect(locks).toMatchObject([{ name: "jobs/a" }]);
    const token = { name: "jobs/a", token: held.token };
    expect((await post("/api/locks/renew", token)).status).toBe(200);
    expect(await (await post("/api/locks/release", token)).json()).toEqual({ released: "jobs/a" });
    const next = (await (await waiting).json()).held;
    expect(next.token).toBeGreaterThan(held.token);
    expect(await problem(await post("/api/locks/renew", token))).toEqual([409, "MESH_LOCK_LOST"]);
    expect(await problem(await put("state", "2", {}, fenced))).toEqual([409, "MESH_LOCK_LOST"]);
    expect(await (await fetch(url("state"))).text()).toBe("1");
  });

  it("are left by a waiting request that is broken off", async () => {
    await post("/api/locks/acquire", { name: "x" });
    const controller = new AbortController();
    const body = JSON.stringify({ name: "x", wait: "60s" });
    const headers = { "content-type": "application/json" };
    const init = { method: "POST", body, headers, signal: controller.signal };
    const broken = expect(fetch(`${base}/api/locks/acquire`, init)).rejects.toThrow();
    const waiting = async () =>
      (await (await fetch(`${base}/api/locks/inspect?name=x`)).json()).lock.waiting;
    await vi.waitFor(async () => expect(await waiting()).toBe(1));
    controller.abort();
    await broken;
    await vi.waitFor(async () => expect(await waiting()).toBe(0));
  });
});

/** Reads an event stream until it has so many events. */
async function events(answer: Response, count: number) {
  const found: { event: string; id: string | undefined; data: unknown }[] = [];
  let text = "";
  const reader = answer.body?.getReader();
  const decoder = new TextDecoder();
  while (found.length < count) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done) break;
    text += decoder.decode(value, { stream: true });
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const fields = new Map(
        text
          .slice(0, end)
          .split("\n")
          .map((line) => line.split(/: (.*)/s) as [string, string]),
      );
      text = text.slice(end + 2);
      const event = fields.get("event");
      if (event === undefined) continue;
      found.push({ event, id: fields.get("id"), data: JSON.parse(fields.get("data") ?? "") });
    }
  }
  return { found, cancel: () => reader?.cancel() };
}

describe("a watch over HTTP", () => {
  it("is an event stream that goes on where it was left", async () => {
    const answer = await fetch(`${base}/api/kv-watch?prefix=app/`);
    expect(answer.headers.get("content-type")).toBe("text/event-stream");
    const { revision } = await (await put("app/a", "1")).json();
    await put("other", "1");
    await fetch(url("app/a"), { method: "DELETE" });
    const { found, cancel } = await events(answer, 3);
    expect(found).toMatchObject([
      { event: "ready" },
      {
        event: "change",
        id: String(revision),
        data: {
          revision,
          events: [{ type: "put", entry: { key: "app/a", valueBase64: base64("1") } }],
        },
      },
      { event: "change", data: { events: [{ type: "delete", key: "app/a" }] } },
    ]);
    await cancel();
    const headers = { "last-event-id": String(revision) };
    const again = await fetch(`${base}/api/kv-watch?key=app/a&values=false`, { headers });
    const rest = await events(again, 2);
    expect(rest.found).toMatchObject([
      { event: "ready", data: { revision } },
      { event: "change", id: String(revision + 2) },
    ]);
    await rest.cancel();
  });

  it("gives its place back when the client goes away", async () => {
    const watch = vi.spyOn(keyValue, "watch");
    const answer = await fetch(`${base}/api/kv-watch?prefix=`);
    const { cancel } = await events(answer, 1);
    const opened = await watch.mock.results[0]?.value;
    const close = vi.spyOn(opened, "close");
    await cancel();
    await vi.waitFor(() => expect(close).toHaveBeenCalled());
  });

  it("says by its code that its start is gone, and ends", async () => {
    const { revision } = await (await put("a", "1")).json();
    await put("a", "2");
    await store.compact(revision + 1);
    const answer = await fetch(`${base}/api/kv-watch?key=a&from=${revision}`);
    const { found } = await events(answer, 3);
    expect(found).toMatchObject([
      { event: "ready" },
      { event: "failed", data: { code: "MESH_STORE_COMPACTED", status: 410 } },
    ]);
  });

  it.each(["", "?key=a&prefix=b", "?key=a&from=0", "?key=a&from=x"])(
    "is refused: %s",
    async (query) => {
      expect((await fetch(`${base}/api/kv-watch${query}`)).status).toBe(400);
    },
  );

  it("does not keep the door from stopping", async () => {
    const answer = await fetch(`${base}/api/kv-watch?prefix=`);
    keyValue.close();
    const { found } = await events(answer, 2);
    expect(found).toMatchObject([{ event: "ready" }]);
  });
});

describe("people and keys over HTTP", () => {
  it("see and change what they were granted", async () => {
    const ann = await fixture.person("ann@home.alice", ["/kv/app:read+write", "/:all"]);
    await put("app/a", "1");
    await put("secret", "1");
    expect((await as(ann, "/api/kv/app/a")).text).toBe("1");
    expect((await as(ann, "/api/kv/app/b", { method: "PUT", body: "2" })).status).toBe(200);
    for (const [path, method] of [
      ["/api/kv/secret", "GET"],
      ["/api/kv/secret", "PUT"],
      ["/api/kv/app/a", "DELETE"],
      ["/api/kv?prefix=s", "GET"],
      ["/api/kv-watch?key=secret", "GET"],
      ["/api/kv?prefix=", "DELETE"],
      ["/api/locks", "GET"],
    ] as const) {
      const answer = await as(ann, path, { method });
      expect([path, answer.status]).toEqual([path, 403]);
      expect(JSON.parse(answer.text).code).toBe("MESH_FORBIDDEN");
    }
    const { entries } = JSON.parse((await as(ann, "/api/kv")).text);
    expect(entries).toMatchObject([{ key: "app/a" }, { key: "app/b" }]);
  });

  it("watch until they are revoked", async () => {
    const ann = await fixture.person("ann@home.alice", ["/kv/app:read"]);
    let seen = "";
    const watching = as(ann, "/api/kv-watch?prefix=", {
      seen: (text) => {
        seen = text;
      },
    });
    await vi.waitFor(() => expect(seen).toContain("event: ready"));
    await put("app/a", "1");
    await vi.waitFor(() => expect(seen).toContain('"key":"app/a"'));
    await fixture.authority.revoke(fixture.services.operator, ann.nodeId, "gone");
    await put("app/b", "1");
    expect((await watching).text).not.toContain('"app/b"');
  });

  it("are told on a node that keeps no store", async () => {
    const { metrics, services } = fixture;
    const other = new LoopbackDoor({ host: "127.0.0.1", port: 0, services, metrics });
    await other.start();
    const answer = await fetch(`http://localhost:${other.address?.port}/api/kv`);
    expect(await problem(answer)).toEqual([404, "MESH_NOT_FOUND"]);
    await other.stop();
  });
});
