import { isMeshError, silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { memoryStore } from "../../../store/src/index.js";
import { LoopbackDoor } from "../doors/loopback-door.js";
import { nodeApi } from "../doors/node-api.js";
import { HttpMetrics } from "../metrics/http-metrics.js";
import { buildApp } from "../server/build-app.js";
import type { Caller } from "../server/policy.js";
import { type GatewayFixture, gatewayFixture } from "../testing/gateway-fixture.js";
import {
  blockedIncident,
  mendedIncident,
  OPENED_MS,
  passedIncident,
} from "../testing/incidents.js";
import { ScriptedHealer } from "../testing/scripted-healer.js";
import { healingRoutes } from "./healing-routes.js";

const clock = systemClock();
const random = systemRandom();
let fixture: GatewayFixture;
let healer: ScriptedHealer;
let door: LoopbackDoor;
let base: string;

beforeEach(async () => {
  fixture = await gatewayFixture({ store: memoryStore({ clock }), clock, random });
  healer = new ScriptedHealer();
  const services = { ...fixture.services, healer };
  const { metrics } = fixture;
  door = new LoopbackDoor({ host: "127.0.0.1", port: 0, services, metrics });
  await door.start();
  base = `http://127.0.0.1:${door.address?.port}`;
});
afterEach(async () => {
  await door.stop();
  await fixture.authority.close();
});

async function ask(path: string, options: { method?: string; body?: object; key?: string } = {}) {
  const { method = "GET", body, key } = options;
  const response = await fetch(`${base}${path}`, {
    method,
    headers: {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(key === undefined ? {} : { "x-api-key": key }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, value: JSON.parse(await response.text()) };
}

const key = (...scopes: ("read" | "admin")[]) =>
  fixture.authority.apiKeys.create({ principal: fixture.services.operator }, { scopes });

describe("looking at what was healed", () => {
  it("tells what is seen, what is open, and what is not known", async () => {
    healer.incidents = [blockedIncident(), mendedIncident()];
    const { value } = await ask("/api/healing");
    expect(value).toMatchObject({ mode: "acting", pausedUntilMs: null, verdict: "ill" });
    expect(value.monitors[1]).toEqual({
      ...{ name: "clock", verdict: "unknown", lookedAtMs: null, facts: 0 },
      reason: "nobody was asked for the time yet",
    });
    const { title, state, closedAtMs } = value.open[0];
    expect([value.open.length, title, state, closedAtMs]).toEqual([
      ...[1, "attic gives back damaged chunks", "open", null],
    ]);
  });

  it("gives the history by pages, by kind, and by the node that saw it", async () => {
    // Some of them on another node; ids sort by time.
    const many = Array.from({ length: 450 }, (_, at) => {
      const incident = at % 9 === 0 ? passedIncident() : mendedIncident();
      const id = `m${2_000 - at}`;
      return at % 100 === 0 ? { ...incident, id, nodeName: "attic" } : { ...incident, id };
    });
    healer.incidents = many;
    const ids = async (query: string) => {
      const { value } = await ask(`/api/healing/incidents${query}`);
      const found = (value.incidents as { id: string }[]).map(({ id }) => id);
      return [...found, ...(value.more ? ["more"] : [])];
    };
    expect(await ids("?limit=2")).toEqual(["m2000", "m1999", "more"]);
    expect(await ids("?limit=2&before=m1999")).toEqual(["m1998", "m1997", "more"]);
    expect(await ids("?kind=load-high&limit=1&before=m2000")).toEqual(["m1991", "more"]);
    expect(await ids("?node=attic&limit=3")).toEqual(["m2000", "m1900", "m1800", "more"]);
    expect(await ids("?node=attic&limit=5")).toHaveLength(5);
    expect(await ids(`?node=${healer.nodeId}&limit=1`)).toEqual(["m2000", "more"]);
    expect(await ids("?node=nobody")).toEqual([]);
    expect((await ids("")).length).toBe(21);
    expect((await ask("/api/healing/incidents?kind=nothing")).status).toBe(400);
    expect((await ask("/api/healing/incidents?limit=101")).status).toBe(400);
  });

  it("gives one incident whole, and as a page", async () => {
    healer.incidents = [mendedIncident("one")];
    const { value } = await ask("/api/healing/incidents/one");
    expect(value.incident).toMatchObject({
      holdMs: 0,
      advice: expect.stringContaining("mesh peers"),
    });
    expect(value.incident.timeline).toEqual(mendedIncident("one").timeline);
    const page = await fetch(`${base}/api/healing/incidents/one/page`);
    expect(page.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(await page.text()).toMatch(/^attic does not answer: mended by re-route after 9\.4 s\n/);
    const markdown = await fetch(`${base}/api/healing/incidents/one/page?markdown=1`);
    expect(markdown.headers.get("content-type")).toBe("text/markdown; charset=utf-8");
    expect(await markdown.text()).toContain("\n## What was seen\n");
    const accept = { headers: { accept: "text/html,application/xhtml+xml,*/*;q=0.8" } };
    const east = `${base}/api/healing/incidents/one/page?offsetMinutes=60`;
    const html = await fetch(east, accept);
    expect(html.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(html.headers.get("content-security-policy")).toMatch(
      /^default-src 'none'; style-src 'self'; /,
    );
    expect(await html.text()).toMatch(/^<!doctype html>[\s\S]* 23:14:05 \+01:00 to /);
    expect(await (await fetch(east)).text()).toMatch(/ 23:14:05 \+01:00 to /);
    expect((await ask("/api/healing/incidents/one/page?offsetMinutes=9999")).status).toBe(400);
    expect((await ask("/api/healing/incidents/none")).value.code).toBe("MESH_NOT_FOUND");
    expect((await ask("/api/healing/incidents/none/page")).value.code).toBe("MESH_NOT_FOUND");
  });
});

describe("stopping the healer", () => {
  it("pauses, resumes and runs dry, and says who did it", async () => {
    const { spiffeId } = fixture.services.operator;
    const body = { forMs: 600_000 };
    const paused = await ask("/api/healing/pause", { method: "POST", body });
    expect(paused.value).toMatchObject({ mode: "paused", pausedUntilMs: 600_000, audited: true });
    const { record, text } = await key("admin");
    const resumed = await ask("/api/healing/resume", { method: "POST", key: text });
    expect(resumed.value).toMatchObject({ mode: "acting", pausedUntilMs: null });
    await ask("/api/healing/dry-run", { method: "POST", body: { on: true } });
    expect(healer.told).toEqual([
      `pause 600000 by ${spiffeId}`,
      `resume by key/${record.id}`,
      `dry run on by ${spiffeId}`,
    ]);
    const { records } = await fixture.authority.auditTrail({ limit: 100 });
    const trail = records.filter(({ action }) => action.startsWith("healing."));
    const subject = `node/${healer.nodeId}`;
    expect(trail.map(({ sequence, atMs, previousHash, v, ...record }) => record)).toEqual([
      { action: "healing.pause", by: spiffeId, subject, detail: { forMs: 600_000 } },
      { action: "healing.resume", by: `key/${record.id}`, subject },
      { action: "healing.dry-run", by: spiffeId, subject, detail: { on: "on" } },
    ]);
    expect(await fixture.authority.verifyAudit()).toMatchObject({ ok: true });
  });

  it("is not for who may only look", async () => {
    const { text } = await key("read");
    expect((await ask("/api/healing", { key: text })).status).toBe(200);
    for (const path of ["pause", "resume", "plan"]) {
      const body = path === "pause" ? { body: {} } : {};
      const refused = await ask(`/api/healing/${path}`, { method: "POST", key: text, ...body });
      expect([path, refused.status, refused.value.code]).toEqual([path, 403, "MESH_KEY_SCOPE"]);
    }
    const refused = await ask("/api/healing/dry-run", {
      ...{ method: "POST", body: { on: true }, key: text },
    });
    expect(refused.status).toBe(403);
    expect([healer.told, healer.mode]).toEqual([[], "acting"]);
  });

  it("is not for a person of the member either", async () => {
    const person = { principal: { kind: "person" }, proved: true, operator: false } as Caller;
    const app = buildApp({
      door: "api",
      services: { clock, random, log: silentLogger },
      metrics: new HttpMetrics(async () => []),
      routes: healingRoutes({ healer, clock, log: silentLogger }, undefined),
      caller: () => person,
    });
    expect((await app.inject("/api/healing")).statusCode).toBe(200);
    const pause = { method: "POST", url: "/api/healing/pause", payload: {} } as const;
    expect((await app.inject(pause)).json().code).toBe("MESH_FORBIDDEN");
    expect(healer.told).toEqual([]);
  });

  it("works while the trail cannot be written, and says that it is not written", async () => {
    const failing = {
      ...fixture.authority,
      healingAudit: { note: () => Promise.reject(new Error("the store is away")) },
    };
    const app = buildApp({
      door: "api",
      services: { clock, random, log: silentLogger },
      metrics: new HttpMetrics(async () => []),
      routes: healingRoutes({ healer, clock, log: silentLogger }, failing as never),
      caller: () => ({ principal: fixture.services.operator, proved: false, operator: true }),
    });
    const pause = { method: "POST", url: "/api/healing/pause", payload: {} } as const;
    expect((await app.inject(pause)).json()).toMatchObject({ mode: "paused", audited: false });
  });

  it("refuses a pause that makes no sense", async () => {
    for (const body of [{ forMs: 0 }, { forMs: -1 }, { forMs: 1e15 }, { forMS: 5 }]) {
      const answer = await ask("/api/healing/pause", { method: "POST", body });
      expect([body, answer.status]).toEqual([body, 400]);
    }
    expect(healer.told).toEqual([]);
  });
});

describe("planning", () => {
  it("says what would be done, the best first", async () => {
    const { kind: symptom, subject, severity } = mendedIncident();
    const [, , decided] = mendedIncident().timeline;
    healer.planned = [{ symptom, subject, severity, candidates: decided?.candidates ?? [] }];
    const { value } = await ask("/api/healing/plan", { method: "POST" });
    expect(value.planned[0]).toMatchObject({ title: "attic does not answer", severity: "warning" });
    expect(value.planned[0].candidates.map(({ remedy }: { remedy: string }) => remedy)).toEqual([
      ...["redial", "re-route", "fail-over-hub"],
    ]);
    expect(healer.told).toEqual([]);
  });
});

describe("a node without a coordinator", () => {
  it("has the same doors, for the operator of the machine", async () => {
    healer.incidents = [mendedIncident("one")];
    const { operator } = fixture.services;
    const api = await nodeApi({ clock, random, log: silentLogger, operator, healer });
    const { createServer } = await import("node:http");
    const server = createServer((request, response) => api.serve(request, response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    base = `http://127.0.0.1:${port}`;
    expect((await ask("/api/healing")).value.nodeName).toBe("home");
    expect((await ask("/api/healing/incidents/one")).value.incident.openedAtMs).toBe(OPENED_MS);
    const paused = await ask("/api/healing/pause", { method: "POST", body: {} });
    expect(paused.value).toMatchObject({ mode: "paused", audited: false });
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await api.close();
  });

  it("says so when healing is switched off", async () => {
    const routes = healingRoutes({ clock, log: silentLogger }, undefined);
    const status = routes[0] as (typeof routes)[number];
    await expect(status.handle({} as never)).rejects.toSatisfy((error: unknown) =>
      isMeshError(error, "MESH_NOT_FOUND"),
    );
  });
});
