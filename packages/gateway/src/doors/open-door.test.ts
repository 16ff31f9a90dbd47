/** The HTTP door when it is open: who may call what, by every kind of caller. */
import { request as httpRequest } from "node:http";
import { Agent, request as httpsRequest, type RequestOptions } from "node:https";
import { connect, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import type { ApiKeyScope } from "@hearthmesh/collective";
import { type Clock, systemClock, systemRandom } from "@hearthmesh/core";
import { memoryStore } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ENDPOINTS, type Endpoint } from "../contracts/index.js";
import { apiRoutes } from "../routes/api-routes.js";
import type { Policy } from "../server/policy.js";
import type { DoorCredentials } from "../services.js";
import { type GatewayFixture, gatewayFixture } from "../testing/index.js";
import { NEEDS, POLICY_OF } from "../testing/policy-table.js";
import { ApiDoor } from "./api-door.js";
import { LoopbackDoor } from "./loopback-door.js";

const random = systemRandom();
let nowOffsetMs = 0;
const system = systemClock();
const clock: Clock = {
  ...system,
  nowMs: () => system.nowMs() + nowOffsetMs,
  monotonicMs: () => system.monotonicMs() + nowOffsetMs,
};

let fixture: GatewayFixture;
let door: LoopbackDoor;
let api: ApiDoor;
let port: number;

beforeEach(async () => {
  nowOffsetMs = 0;
  const prober = { probe: async () => Promise.reject(new Error("nobody is asked here")) };
  const store = memoryStore({ clock });
  fixture = await gatewayFixture({ store, clock, random, prober });
  const { services, metrics, credentials } = fixture;
  const common = { services, metrics, credentials, port: 0 };
  door = new LoopbackDoor({ ...common, host: "0.0.0.0", isOpen: true });
  api = new ApiDoor({ ...common, host: "127.0.0.1" });
  await door.start();
  await api.start();
  port = door.address?.port ?? 0;
});
afterEach(async () => {
  await door.stop();
  await api.stop();
  await fixture.authority.close();
});

interface Answer {
  readonly status: number;
  readonly code: string | undefined;
  readonly detail: string;
}

interface Ask extends RequestOptions {
  readonly path: string;
  readonly secure?: boolean;
}

function ask(options: Ask): Promise<Answer> {
  const { secure = false, ...rest } = options;
  return new Promise((resolve, reject) => {
    const all = { host: "127.0.0.1", port, agent: false as const, ...rest };
    const request = (secure ? httpsRequest : httpRequest)(all, (answer) => {
      let text = "";
      answer.on("data", (piece: Buffer) => {
        text += piece.toString();
      });
      answer.on("end", () => {
        const body = text.startsWith("{") ? JSON.parse(text) : {};
        const code = body.code ?? body.error?.code;
        resolve({ status: answer.statusCode ?? 0, code, detail: body.detail ?? "" });
      });
    });
    request.once("error", reject);
    request.end();
  });
}

async function key(scopes: readonly ApiKeyScope[], more: object = {}) {
  const by = { principal: fixture.services.operator };
  return fixture.authority.apiKeys.create(by, { scopes, ...more });
}
const withKey = (text: string) => ({ "x-api-key": text });
/** A caller that came through a proxy counts as one from another machine. */
const far = { "x-forwarded-for": "203.0.113.7" };

function target({ method, path }: Endpoint): { method: string; path: string } {
  return { method, path: path.replace(/:\w+/g, "nothing-of-this-name").replace("*", "x") };
}

/** Turned away before the handler, by who they are; anything else is the handler's own answer. */
function isTurnedAway({ status, code = "" }: Answer): boolean {
  const codes = ["MESH_UNAUTHENTICATED", "MESH_FORBIDDEN", "MESH_KEY_SCOPE"];
  codes.push("invalid_api_key", "insufficient_permissions");
  return (status === 401 || status === 403) && codes.includes(code);
}

describe("policies", () => {
  const policyOf = ({ method, path }: Endpoint): Policy =>
    POLICY_OF[`${method} ${path}`] ??
    (path.startsWith("/api/mesh/route/") ? "services" : "enrolled");

  it("are what the table says, for every route", () => {
    for (const { endpoint, policy } of apiRoutes(fixture.services)) {
      expect([endpoint.method, endpoint.path, policy]).toEqual([
        endpoint.method,
        endpoint.path,
        policyOf(endpoint),
      ]);
    }
  });

  it("let in whom they should at the HTTP door, and nobody else", async () => {
    const scopes = ["read", "register", "services", "ai", "admin"] as const;
    const keys = await Promise.all(
      scopes.map(async (scope) => [scope, await key([scope])] as const),
    );
    for (const endpoint of Object.values(ENDPOINTS)) {
      const policy = policyOf(endpoint);
      for (const [scope, { text }] of keys) {
        const answer = await ask({ ...target(endpoint), headers: withKey(text) });
        const told = [endpoint.path, policy, scope, isTurnedAway(answer)];
        expect(told).toEqual([endpoint.path, policy, scope, !NEEDS[policy].includes(scope)]);
      }
      const stranger = await ask({ ...target(endpoint), headers: far });
      expect([endpoint.path, isTurnedAway(stranger)]).toEqual([
        endpoint.path,
        policy !== "public" || !/^\/(health|mesh|api\/mesh)/.test(endpoint.path),
      ]);
    }
  });

  it("let in whom they should under mutual TLS", async () => {
    const node = await fixture.node("attic");
    const person = await fixture.person("carol@home.alice", ["/shared:read"]);
    const callers = { node, person, operator: fixture.credentials };
    for (const endpoint of Object.values(ENDPOINTS)) {
      const policy = policyOf(endpoint);
      for (const [kind, credentials] of Object.entries(callers)) {
        const answer = await askApi(credentials, target(endpoint));
        const allowed = policy === "self" ? true : NEEDS[policy].includes(kind);
        expect([endpoint.path, kind, isTurnedAway(answer)]).toEqual([
          endpoint.path,
          kind,
          !allowed,
        ]);
      }
    }
  });
});

function askApi(credentials: DoorCredentials, options: { path: string; method?: string }) {
  const { privateKeyPem, certificatePem, caCertificatePem } = credentials;
  const tls = { key: privateKeyPem, cert: certificatePem, ca: caCertificatePem };
  const apiPort = api.address?.port ?? 0;
  return ask({ ...options, ...tls, secure: true, port: apiPort, servername: "localhost" });
}

describe("callers at the open door", () => {
  it("are the operator on this machine, and nobody from elsewhere without a key", async () => {
    expect((await ask({ path: "/api/keys" })).status).toBe(200);
    const { text } = await key(["admin"]);
    for (const headers of [far, { via: "1.1 proxy" }, { host: "rebound.example:3000" }]) {
      expect((await ask({ path: "/api/mesh/nodes", headers })).status).toBeGreaterThan(400);
      expect((await ask({ path: "/api/keys", headers })).status).toBeGreaterThan(400);
      const open = await ask({ path: "/health", headers });
      expect(open.status).toBe(200);
      const keyed = { ...headers, ...withKey(text) };
      expect((await ask({ path: "/api/mesh/nodes", headers: keyed })).status).toBe(200);
      const away = await ask({ path: "/api/keys", headers: keyed });
      expect([away.status, away.code]).toEqual([403, "MESH_FORBIDDEN"]);
    }
  });

  it("from another address of this machine are strangers", async (context) => {
    const others = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    const host = others.find((one) => one.family === "IPv4" && !one.internal)?.address;
    if (host === undefined) return context.skip();
    const answer = await ask({ host, path: "/api/mesh/nodes" });
    expect([answer.status, answer.code]).toEqual([401, "MESH_UNAUTHENTICATED"]);
    expect((await ask({ host, path: "/api/status" })).status).toBe(403);
    expect((await ask({ host, path: "/" })).status).toBe(403);
    expect((await ask({ host, path: "/health" })).status).toBe(200);
    const { text } = await key(["admin"]);
    const headers = withKey(text);
    expect((await ask({ host, path: "/api/mesh/audit", headers })).status).toBe(200);
    expect((await ask({ host, path: "/mesh/status", headers })).detail).toMatch(/in plaintext/);
    const ca = fixture.credentials.caCertificatePem;
    const tls = { secure: true, ca, servername: "localhost" };
    expect((await ask({ host, path: "/mesh/status", headers, ...tls })).status).not.toBe(403);
    expect((await ask({ host, path: "/api/keys", headers, ...tls })).status).toBe(403);
  });

  it("with a wrong key are refused, on this machine too", async () => {
    const good = await key(["read"]);
    const [, id = ""] = good.text.split("-");
    const forged = (await key(["admin"])).text.replace(/^hmk1-[^-]+/, `hmk1-${id}`);
    for (const text of ["", "x", "hmk1-", forged, `${good.text}a`, good.text.slice(0, -1)]) {
      const answer = await ask({ path: "/api/mesh/nodes", headers: withKey(text) });
      expect([text, answer.status, answer.code]).toEqual([text, 401, "MESH_KEY_INVALID"]);
    }
    const upper = withKey(good.text.toUpperCase());
    expect((await ask({ path: "/api/mesh/nodes", headers: upper })).status).toBe(200);
  });

  it("send a key as a bearer under /v1, and there alone", async () => {
    const bearer = (text: string) => ({ authorization: `Bearer ${text}` });
    const { text } = await key(["ai"]);
    const models = async (headers: object) => {
      const { status, code } = await ask({ path: "/v1/models", headers: { ...headers } });
      return [status, code];
    };
    // Let in: what is missing is the models.
    const letIn = [501, "MESH_AI_OFF"];
    expect(await models({ ...far, ...bearer(text) })).toEqual(letIn);
    expect(await models(bearer(text))).toEqual(letIn);
    expect(await models(bearer("none"))).toEqual(letIn);
    const refused = [401, "invalid_api_key"];
    expect(await models({ ...far, ...bearer("none") })).toEqual(refused);
    expect(await models({ ...far, ...bearer(`${text}a`) })).toEqual(refused);
    expect(await models(bearer(`${text}a`))).toEqual(refused);
    expect(await models(far)).toEqual(refused);
    const read = await key(["read"]);
    expect(await models(bearer(read.text))).toEqual([403, "insufficient_permissions"]);
    // Elsewhere it may be meant for the service behind.
    const nodes = await ask({ path: "/api/mesh/nodes", headers: { ...far, ...bearer(read.text) } });
    expect(nodes.code).toBe("MESH_UNAUTHENTICATED");
    const admin = await key(["admin"]);
    expect((await models({ ...far, ...bearer(admin.text) }))[0]).toBe(403);
  });

  it("with a key that is over, revoked or from elsewhere are refused", async () => {
    const by = { principal: fixture.services.operator };
    const short = await key(["read"], { validityMs: 1_000 });
    const revoked = await key(["read"]);
    await fixture.authority.apiKeys.revoke(by, revoked.record.id);
    const elsewhere = await key(["read"], { allowIps: ["10.9.8.0/24"] });
    const here = await key(["read"], { allowIps: ["127.0.0.0/8", "::1"] });
    nowOffsetMs = 2_000;
    const code = async (text: string) =>
      (await ask({ path: "/api/mesh/nodes", headers: withKey(text) })).code;
    expect(await code(short.text)).toBe("MESH_KEY_INVALID");
    expect(await code(revoked.text)).toBe("MESH_KEY_INVALID");
    expect(await code(elsewhere.text)).toBe("MESH_ADDRESS_REFUSED");
    expect(await code(here.text)).toBeUndefined();
  });

  it("are turned away when too many keys were wrong, until the minute is over", async () => {
    const { text } = await key(["read"]);
    const codes: (string | undefined)[] = [];
    for (let attempt = 0; attempt < 25; attempt++) {
      codes.push((await ask({ path: "/api/mesh/nodes", headers: withKey("no") })).code);
    }
    expect(codes.filter((code) => code === "MESH_KEY_INVALID")).toHaveLength(20);
    expect(codes.at(-1)).toBe("MESH_LIMIT");
    const good = () => ask({ path: "/api/mesh/nodes", headers: withKey(text) });
    expect((await good()).status).toBe(429);
    // Another address is not locked out, and neither is the operator without a key.
    expect(() => fixture.authority.apiKeys.verify(text, "192.0.2.1")).not.toThrow();
    expect((await ask({ path: "/api/mesh/nodes" })).status).toBe(200);
    nowOffsetMs = 60_000;
    expect((await good()).status).toBe(200);
  });
});

describe("one port", () => {
  it("speaks HTTP and TLS, keeps connections, and ends with the door", async () => {
    const ca = fixture.credentials.caCertificatePem;
    const agent = new Agent({ keepAlive: true });
    const secure = { secure: true, ca, servername: "localhost", agent: agent as never };
    for (let at = 0; at < 3; at++) {
      expect((await ask({ path: "/health", ...secure })).status).toBe(200);
      expect((await ask({ path: "/health" })).status).toBe(200);
    }
    expect(Object.values(agent.freeSockets).flat()).toHaveLength(1);
    await door.stop();
    await expect(ask({ path: "/health" })).rejects.toThrow();
  });

  it("takes a request byte by byte, and lets a silent connection go when it stops", async () => {
    const socket = await open();
    let text = "";
    socket.on("data", (piece: Buffer) => {
      text += piece.toString();
    });
    for (const byte of `GET /health HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`) {
      socket.write(byte);
      await new Promise(setImmediate);
    }
    await expect.poll(() => text).toMatch(/^HTTP\/1.1 200 /);
    const silent = await open();
    const closed = new Promise((resolve) => silent.once("close", resolve));
    await door.stop();
    await closed;
    socket.destroy();
  });

  it("shows a renewed certificate to new connections", async () => {
    const ca = fixture.credentials.caCertificatePem;
    door.reload(await fixture.renewCoordinator());
    const answer = await ask({ path: "/health", secure: true, ca, servername: "localhost" });
    expect(answer.status).toBe(200);
  });

  function open(): Promise<Socket> {
    return new Promise((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(socket));
      socket.on("error", () => undefined);
    });
  }
});

describe("allow-lists", () => {
  it("keep a node out of the API door from other addresses, at once", async () => {
    const { node } = fixture;
    const attic = await node("attic");
    const { allowLists } = fixture.authority;
    const by = { principal: fixture.services.operator };
    expect((await askApi(attic, { path: "/api/whoami" })).status).toBe(200);
    await allowLists.set(by, attic.nodeId as never, ["10.9.8.0/24"]);
    const refused = await askApi(attic, { path: "/api/whoami" });
    expect([refused.status, refused.code]).toEqual([403, "MESH_ADDRESS_REFUSED"]);
    expect((await askApi(fixture.credentials, { path: "/api/whoami" })).status).toBe(200);
    await allowLists.set(by, attic.nodeId as never, []);
    expect((await askApi(attic, { path: "/api/whoami" })).status).toBe(200);
  });
});
