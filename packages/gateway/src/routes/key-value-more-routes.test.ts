/** Transactions, locks and watches over HTTP, and what people may do. */
import { limits, systemClock } from "@hearthmesh/core";
import { memoryStore } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LoopbackDoor } from "../doors/loopback-door.js";
import { base64, bodyOf, KeyValueDoors, problem } from "../testing/key-value-doors.js";

vi.setConfig({ testTimeout: 60_000 });

let doors: KeyValueDoors;
beforeEach(async () => {
  doors = await KeyValueDoors.open(memoryStore({ clock: systemClock() }));
});
afterEach(() => doors.close());

describe("a transaction over HTTP", () => {
  it("changes keys together, or nothing", async () => {
    const { revision } = await bodyOf(await doors.put("a", "1"));
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
    const done = await bodyOf(await doors.post("/api/kv-transactions", request));
    expect(done).toEqual({
      succeeded: true,
      revision: revision + 1,
      results: [{ type: "put" }, { type: "delete", deleted: 1 }, { type: "get", entry: null }],
    });
    const again = await bodyOf(await doors.post("/api/kv-transactions", request));
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
      const answer = await doors.post("/api/kv-transactions", bad);
      expect(await problem(answer)).toEqual([400, "MESH_BAD_REQUEST"]);
    }
    const large = { type: "put", key: "a", valueBase64: "A".repeat(limits.HTTP_JSON_BYTES_MAX) };
    expect((await doors.post("/api/kv-transactions", { success: [large] })).status).toBe(413);
  });
});

describe("locks over HTTP", () => {
  it("are taken, shown, renewed, waited for and given back", async () => {
    const taken = await doors.post("/api/locks/acquire", { name: "jobs/a", holder: "host-1" });
    const { held } = await bodyOf(taken);
    expect(held).toMatchObject({ name: "jobs/a", holder: "host-1", ttlMs: 30_000 });
    const other = await doors.post("/api/locks/acquire", { name: "jobs/a" });
    expect(other.status).toBe(409);
    expect(await bodyOf(other)).toMatchObject({
      code: "MESH_LOCK_TAKEN",
      details: { holder: "host-1", sinceMs: held.sinceMs },
    });
    const fenced = `?lock=jobs%2Fa&token=${held.token}`;
    expect((await doors.put("state", "1", {}, fenced)).status).toBe(200);
    const waiting = doors.post("/api/locks/acquire", { name: "jobs/a", wait: "60s" });
    await vi.waitFor(
      async () => {
        const shown = await bodyOf(await fetch(`${doors.base}/api/locks/inspect?name=jobs/a`));
        expect(shown.lock).toMatchObject({ held, waiting: 1 });
      },
      { timeout: 20_000 },
    );
    const { locks } = await bodyOf(await fetch(`${doors.base}/api/locks?prefix=jobs/`));
    expect(locks).toMatchObject([{ name: "jobs/a" }]);
    const token = { name: "jobs/a", token: held.token };
    expect((await doors.post("/api/locks/renew", token)).status).toBe(200);
    expect(await bodyOf(await doors.post("/api/locks/release", token))).toEqual({
      released: "jobs/a",
    });
    const next = (await bodyOf(await waiting)).held;
    expect(next.token).toBeGreaterThan(held.token);
    expect(await problem(await doors.post("/api/locks/renew", token))).toEqual([
      409,
      "MESH_LOCK_LOST",
    ]);
    expect(await problem(await doors.put("state", "2", {}, fenced))).toEqual([
      409,
      "MESH_LOCK_LOST",
    ]);
    expect(await (await fetch(doors.url("state"))).text()).toBe("1");
  });

  it("are left by a waiting request that is broken off", async () => {
    await doors.post("/api/locks/acquire", { name: "x" });
    const controller = new AbortController();
    const body = JSON.stringify({ name: "x", wait: "60s" });
    const headers = { "content-type": "application/json" };
    const init = { method: "POST", body, headers, signal: controller.signal };
    const broken = expect(fetch(`${doors.base}/api/locks/acquire`, init)).rejects.toThrow();
    const waiting = async () =>
      (await bodyOf(await fetch(`${doors.base}/api/locks/inspect?name=x`))).lock.waiting;
    await vi.waitFor(async () => expect(await waiting()).toBe(1), { timeout: 20_000 });
    controller.abort();
    await broken;
    await vi.waitFor(async () => expect(await waiting()).toBe(0), { timeout: 20_000 });
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
    const answer = await fetch(`${doors.base}/api/kv-watch?prefix=app/`);
    expect(answer.headers.get("content-type")).toBe("text/event-stream");
    const { revision } = await bodyOf(await doors.put("app/a", "1"));
    await doors.put("other", "1");
    await fetch(doors.url("app/a"), { method: "DELETE" });
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
    const again = await fetch(`${doors.base}/api/kv-watch?key=app/a&values=false`, { headers });
    const rest = await events(again, 2);
    expect(rest.found).toMatchObject([
      { event: "ready", data: { revision } },
      { event: "change", id: String(revision + 2) },
    ]);
    await rest.cancel();
  });

  it("gives its place back when the client goes away", async () => {
    const watch = vi.spyOn(doors.keyValue, "watch");
    const answer = await fetch(`${doors.base}/api/kv-watch?prefix=`);
    const { cancel } = await events(answer, 1);
    const opened = await watch.mock.results[0]?.value;
    const close = vi.spyOn(opened, "close");
    await cancel();
    await vi.waitFor(() => expect(close).toHaveBeenCalled(), { timeout: 20_000 });
  });

  it("says by its code that its start is gone, and ends", async () => {
    const { revision } = await bodyOf(await doors.put("a", "1"));
    await doors.put("a", "2");
    await doors.store.compact(revision + 1);
    const answer = await fetch(`${doors.base}/api/kv-watch?key=a&from=${revision}`);
    const { found } = await events(answer, 3);
    expect(found).toMatchObject([
      { event: "ready" },
      { event: "failed", data: { code: "MESH_STORE_COMPACTED", status: 410 } },
    ]);
  });

  it.each(["", "?key=a&prefix=b", "?key=a&from=0", "?key=a&from=x"])(
    "is refused: %s",
    async (query) => {
      expect((await fetch(`${doors.base}/api/kv-watch${query}`)).status).toBe(400);
    },
  );

  it("does not keep the door from stopping", async () => {
    const answer = await fetch(`${doors.base}/api/kv-watch?prefix=`);
    doors.keyValue.close();
    const { found } = await events(answer, 2);
    expect(found).toMatchObject([{ event: "ready" }]);
  });
});

describe("people and keys over HTTP", () => {
  it("see and change what they were granted", async () => {
    const ann = await doors.fixture.person("ann@home.alice", ["/kv/app:read+write", "/:all"]);
    await doors.put("app/a", "1");
    await doors.put("secret", "1");
    expect((await doors.as(ann, "/api/kv/app/a")).text).toBe("1");
    expect((await doors.as(ann, "/api/kv/app/b", { method: "PUT", body: "2" })).status).toBe(200);
    for (const [path, method] of [
      ["/api/kv/secret", "GET"],
      ["/api/kv/secret", "PUT"],
      ["/api/kv/app/a", "DELETE"],
      ["/api/kv?prefix=s", "GET"],
      ["/api/kv-watch?key=secret", "GET"],
      ["/api/kv?prefix=", "DELETE"],
      ["/api/locks", "GET"],
    ] as const) {
      const answer = await doors.as(ann, path, { method });
      expect([path, answer.status]).toEqual([path, 403]);
      expect(JSON.parse(answer.text).code).toBe("MESH_FORBIDDEN");
    }
    const { entries } = JSON.parse((await doors.as(ann, "/api/kv")).text);
    expect(entries).toMatchObject([{ key: "app/a" }, { key: "app/b" }]);
  });

  it("watch until they are revoked", async () => {
    const ann = await doors.fixture.person("ann@home.alice", ["/kv/app:read"]);
    let seen = "";
    const watching = doors.as(ann, "/api/kv-watch?prefix=", {
      seen: (text) => {
        seen = text;
      },
    });
    await vi.waitFor(() => expect(seen).toContain("event: ready"), { timeout: 20_000 });
    await doors.put("app/a", "1");
    await vi.waitFor(() => expect(seen).toContain('"key":"app/a"'), { timeout: 20_000 });
    await doors.fixture.authority.revoke(doors.fixture.services.operator, ann.nodeId, "gone");
    await doors.put("app/b", "1");
    expect((await watching).text).not.toContain('"app/b"');
  });

  it("watch with an API key until it is revoked", async () => {
    const { authority, services } = doors.fixture;
    const by = { principal: services.operator };
    const { text, record } = await authority.apiKeys.create(by, { scopes: ["admin"] });
    const headers = { "x-api-key": text };
    const answer = await fetch(`${doors.base}/api/kv-watch?prefix=`, { headers });
    await authority.apiKeys.revoke(by, record.id);
    await doors.put("a", "1");
    const { found } = await events(answer, 3);
    expect(found.map(({ event }) => event)).toEqual(["ready", "failed"]);
    expect(found[1]?.data).toMatchObject({ code: expect.stringMatching(/^MESH_KEY_/) });
  });

  it("are told on a node that keeps no store", async () => {
    const { metrics, services } = doors.fixture;
    const other = new LoopbackDoor({ host: "127.0.0.1", port: 0, services, metrics });
    await other.start();
    const answer = await fetch(`http://localhost:${other.address?.port}/api/kv`);
    expect(await problem(answer)).toEqual([404, "MESH_NOT_FOUND"]);
    await other.stop();
  });
});
