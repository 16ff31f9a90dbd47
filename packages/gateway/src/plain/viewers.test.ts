/** Viewers: who may read what of a node without a key, at the rule and at both doors. */
import { request as httpRequest, type IncomingMessage } from "node:http";
import { networkInterfaces } from "node:os";
import { silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { memoryStore } from "@hearthmesh/store";
import { describe, expect, it } from "vitest";
import { LoopbackDoor } from "../doors/loopback-door.js";
import type { MeshService } from "../mesh-service.js";
import { gatewayFixture } from "../testing/index.js";
import { NodeDoor } from "./node-door.js";
import { isViewRequest } from "./viewers.js";

const clock = systemClock();
const random = systemRandom();
const VIEWS = ["/mesh/status", "/mesh/peers", "/mesh/routes"];

type Headers = Record<string, string>;

function asked(path: string, headers: Headers = {}, method = "GET", remoteAddress = "10.89.0.1") {
  const request = { method, headers: { host: "localhost:8001", ...headers } };
  const whole = { ...request, socket: { remoteAddress } } as unknown as IncomingMessage;
  return isViewRequest(whole, path, (address) => address === "10.89.0.1");
}

describe("a viewer's request", () => {
  it("is one for a view, from a named address", () => {
    for (const path of VIEWS) expect(asked(path)).toBe(true);
    expect(asked("/mesh/status", {}, "HEAD")).toBe(true);
    for (const host of ["127.0.0.1:8000", "[::1]:8000", "localhost", "192.168.1.9:8000"]) {
      expect(asked("/mesh/status", { host })).toBe(true);
    }
    expect(asked("/mesh/status", {}, "GET", "10.89.0.3")).toBe(false);
  });

  it("is nothing else", () => {
    for (const path of ["/", "/mesh", "/mesh/", "/mesh/status/", "/api/keys", "/api/mesh/nodes"]) {
      expect([path, asked(path)]).toEqual([path, false]);
    }
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      expect([method, asked("/mesh/status", {}, method)]).toEqual([method, false]);
    }
  });

  it("is not passed on by a proxy, and not made by a web page", () => {
    const refused: Headers[] = [
      { "x-forwarded-for": "203.0.113.7" },
      { via: "1.1 proxy" },
      { host: "rebound.example:8000" },
      { origin: "http://localhost:8001" },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
    ];
    expect(refused.map((headers) => asked("/mesh/peers", headers))).toEqual(
      refused.map(() => false),
    );
  });
});

/** An address of this machine that is not loopback: callers on it count as other machines. */
const host = Object.values(networkInterfaces())
  .flatMap((list) => list ?? [])
  .find((one) => one.family === "IPv4" && !one.internal)?.address;

function get(port: number, path: string, address = host, headers: Headers = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = { host: address, port, path, agent: false as const, headers };
    const request = httpRequest(options, (answer) => {
      answer.resume();
      answer.once("end", () => resolve(answer.statusCode ?? 0));
    });
    request.once("error", reject);
    request.end();
  });
}

describe.skipIf(host === undefined)("the doors, asked from another address", () => {
  const isViewer = (address: string) => address === host;

  function nodeDoor(viewers: { isViewer?: typeof isViewer }): NodeDoor {
    const health = async () => ({ status: "ok" as const, checks: [] });
    const view = () => ({});
    const mesh = { status: view, peers: view, routes: view, services: () => [] };
    const service = mesh as unknown as MeshService;
    const common = { clock, random, log: silentLogger, host: "0.0.0.0", port: 0 };
    return new NodeDoor({ ...common, mesh: service, health, ready: health, ...viewers });
  }

  it("of a node without a coordinator: views and health, and only with viewers", async () => {
    const door = nodeDoor({ isViewer });
    await door.start();
    try {
      const port = door.address?.port ?? 0;
      for (const path of [...VIEWS, "/health", "/health/live", "/health/ready"]) {
        expect([path, await get(port, path)]).toEqual([path, 200]);
      }
      for (const path of ["/api/mesh/services", "/v1/models", "/api/mesh/route/x/", "/healthy"]) {
        expect([path, await get(port, path)]).toEqual([path, 403]);
      }
      expect(await get(port, "/mesh/status", host, { via: "1.1 proxy" })).toBe(403);
      expect(await get(port, "/api/mesh/services", "127.0.0.1")).toBe(200);
      // A proxy on this very machine passes on what others ask for.
      for (const name of ["x-forwarded-for", "via", "forwarded", "x-real-ip"]) {
        for (const path of ["/api/mesh/services", "/mesh/peers", "/api/mesh/route/x/"]) {
          const status = await get(port, path, "127.0.0.1", { [name]: "203.0.113.7" });
          expect([name, path, status]).toEqual([name, path, 403]);
        }
        expect(await get(port, "/health", "127.0.0.1", { [name]: "203.0.113.7" })).toBe(200);
      }
    } finally {
      await door.stop();
    }
    const closed = nodeDoor({});
    await closed.start();
    expect(closed.address?.host).toBe("127.0.0.1");
    await closed.stop();
  });

  it("of a node whose viewers are others: health alone", async () => {
    const door = nodeDoor({ isViewer: () => false });
    await door.start();
    const port = door.address?.port ?? 0;
    expect([await get(port, "/health"), await get(port, "/mesh/status")]).toEqual([200, 403]);
    await door.stop();
  });

  it("of a coordinator: a viewer is no operator and has no key's rights", async () => {
    const fixture = await gatewayFixture({ store: memoryStore({ clock }), clock, random });
    const { services, metrics, credentials } = fixture;
    const common = { services, metrics, credentials, host: "0.0.0.0", port: 0, isOpen: true };
    const door = new LoopbackDoor({ ...common, isViewer });
    const strict = new LoopbackDoor(common);
    await door.start();
    await strict.start();
    try {
      const [port, other] = [door.address?.port ?? 0, strict.address?.port ?? 0];
      for (const path of VIEWS) {
        // Let in: the fixture has no mesh.
        expect([path, await get(port, path)]).toEqual([path, 409]);
        expect([path, await get(other, path)]).toEqual([path, 401]);
      }
      for (const path of ["/api/mesh/nodes", "/api/mesh/services", "/v1/models"]) {
        expect([path, await get(port, path)]).toEqual([path, 401]);
      }
      expect(await get(port, "/api/keys")).toBe(403);
      expect(await get(port, "/mesh/status", host, { "x-api-key": "no" })).toBe(401);
    } finally {
      await door.stop();
      await strict.stop();
      await fixture.authority.close();
    }
  });
});
