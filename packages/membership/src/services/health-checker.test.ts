import http from "node:http";
import net, { type AddressInfo } from "node:net";
import { silentLogger } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/qwormhole/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { HEALTH_UNKNOWN, type HealthEvent, nextCheckMs, stepHealth } from "./health-machine.js";
import { HEALTH_FAILURES_MAX } from "./limits.js";
import { parseService } from "./service-definition.js";
import { openServiceHealth, type ServiceProber } from "./service-health.js";
import { systemServiceProber } from "./service-network.js";
import { ServiceRegistry } from "./service-registry.js";

const event = fc.constantFrom<HealthEvent>(
  { type: "ok" },
  { type: "failed", reason: "no" },
  { type: "connect-failed", reason: "refused" },
);

describe("the health of a service", () => {
  it("follows the rules for any history", () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 12 }), (events) => {
        const state = events.reduce(stepHealth, HEALTH_UNKNOWN);
        const last = events.at(-1);
        const before = events.at(-2);
        if (last === undefined) expect(state.health).toBe("unknown");
        else if (last.type === "ok") expect(state).toEqual({ health: "ok", failures: 0 });
        else if (last.type === "connect-failed") expect(state.health).toBe("failing");
        else if (before === undefined) expect(state.health).toBe("unknown");
        else expect(state.health).toBe(before.type === "ok" ? "ok" : "failing");
        if (last !== undefined && last.type !== "ok") expect(state.reason).toBe(last.reason);
        expect(state.failures).toBeLessThanOrEqual(HEALTH_FAILURES_MAX);
        if (events.some(({ type }) => type !== "failed")) expect(state.health).not.toBe("unknown");
      }),
    );
  });

  it("is looked at sooner while it is not decided, with jitter", () => {
    const once = stepHealth(HEALTH_UNKNOWN, { type: "failed", reason: "no" });
    expect(nextCheckMs(once, 5_000, 0)).toBe(900);
    expect(nextCheckMs(once, 500, 0)).toBe(450);
    expect(nextCheckMs(stepHealth(once, { type: "ok" }), 5_000, 0)).toBe(4_500);
    expect(nextCheckMs(HEALTH_UNKNOWN, 5_000, 0.999)).toBeCloseTo(5_499);
  });
});

async function checkerOf(probe: ServiceProber, count = 1) {
  const registry = new ServiceRegistry({
    storage: { load: async () => [], save: async () => {} },
    ownPorts: () => [],
    log: silentLogger,
  });
  for (let at = 0; at < count; at++) await registry.add({ name: `s${at}`, port: 80 });
  const clock = new ManualClock();
  const random = { bytes: (length: number) => new Uint8Array(length), float: () => 0.5 };
  const checker = openServiceHealth({ registry, probe, clock, random, log: silentLogger });
  return { registry, clock, checker };
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("the health checker", () => {
  it("checks at once, again after the interval, and tells what changed", async () => {
    let works = true;
    let probes = 0;
    const { clock, checker } = await checkerOf(async () => {
      probes++;
      if (!works) throw new Error("it does not");
    });
    const told: string[] = [];
    checker.onChange(() => told.push(checker.healthOf("s0").health));
    await checker.start();
    await settle();
    expect(told).toEqual(["ok"]);
    works = false;
    await clock.advance(5_001);
    await settle();
    // One failure alone decides nothing.
    expect(checker.healthOf("s0")).toMatchObject({ health: "ok", failures: 1 });
    await clock.advance(1_001);
    await settle();
    expect(checker.healthOf("s0")).toMatchObject({ health: "failing", reason: "it does not" });
    works = true;
    await clock.advance(5_001);
    await settle();
    expect(told).toEqual(["ok", "failing", "ok"]);
    expect(probes).toBe(4);
    await checker.stop();
    await clock.advance(60_000);
    await settle();
    expect(probes).toBe(4);
  });

  it("believes a request that could not connect, and looks again soon", async () => {
    let probes = 0;
    const { clock, checker } = await checkerOf(async () => void probes++);
    await checker.start();
    await settle();
    checker.connectFailed("s0", "refused");
    expect(checker.healthOf("s0")).toMatchObject({ health: "failing", reason: "refused" });
    await clock.advance(1_001);
    await settle();
    expect(checker.healthOf("s0").health).toBe("ok");
    expect(probes).toBe(2);
    checker.connectFailed("nobody", "refused");
  });

  it("tells what came of the check that is under way, or of one that is made at once", async () => {
    let probes = 0;
    let end: (error?: Error) => void = () => {};
    const { checker } = await checkerOf(() => {
      probes++;
      return new Promise((resolve, reject) => {
        end = (error) => (error === undefined ? resolve() : reject(error));
      });
    });
    await checker.start();
    const underWay = checker.checkNow("s0");
    end();
    expect(await underWay).toMatchObject({ health: "ok" });
    expect(probes).toBe(1);
    const now = checker.checkNow("s0");
    end(new Error("it does not"));
    expect(await now).toMatchObject({ health: "ok", failures: 1, reason: "it does not" });
    expect(probes).toBe(2);
    expect(await checker.checkNow("nobody")).toEqual(HEALTH_UNKNOWN);
    await checker.stop();
  });

  it("gives up a check that takes too long, also of a prober that does not listen", async () => {
    const { clock, checker } = await checkerOf(() => new Promise(() => {}));
    await checker.start();
    await clock.advance(2_001);
    await settle();
    expect(checker.healthOf("s0")).toMatchObject({
      failures: 1,
      reason: "no answer within 2000 ms",
    });
  });

  it("follows the registry, and checks only some at once", async () => {
    let under = 0;
    let most = 0;
    const { registry, clock, checker } = await checkerOf(async () => {
      most = Math.max(most, ++under);
      await settle();
      under--;
    }, 40);
    await checker.start();
    for (let at = 0; at < 10; at++) {
      await settle();
      await clock.advance(600);
    }
    await settle();
    expect(most).toBeLessThanOrEqual(16);
    expect(registry.list().every(({ name }) => checker.healthOf(name).health === "ok")).toBe(true);
    await registry.remove("s0");
    expect(checker.healthOf("s0").health).toBe("unknown");
    await registry.add({ name: "later", port: 81 });
    await settle();
    await settle();
    expect(checker.healthOf("later").health).toBe("ok");
    await checker.stop();
  });
});

describe("the prober of this machine", () => {
  const probe = systemServiceProber();
  const signal = new AbortController().signal;
  const listen = async (server: net.Server) => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return (server.address() as AddressInfo).port;
  };

  it("connects, or asks over HTTP", async () => {
    let status = 200;
    const server = http.createServer((request, response) => {
      response.writeHead(request.url === "/up" ? status : 404);
      response.end("x".repeat(100_000));
    });
    const port = await listen(server);
    const http_ = parseService({ name: "x", port, health: { path: "/up" } });
    await probe(http_, signal);
    await probe(parseService({ name: "x", port }), signal);
    status = 404;
    await probe(http_, signal);
    status = 500;
    await expect(probe(http_, signal)).rejects.toThrow("it answers 500 to GET /up");
    server.close();
    server.closeAllConnections();
    await expect(probe(http_, signal)).rejects.toThrow("nothing listens there");
    await expect(probe(parseService({ name: "x", port }), signal)).rejects.toThrow(
      /nothing listens/,
    );
  });

  it("gives up when it is told to", async () => {
    const server = net.createServer();
    const port = await listen(server);
    const stop = new AbortController();
    const work = probe(parseService({ name: "x", port, health: { path: "/" } }), stop.signal);
    stop.abort();
    await expect(work).rejects.toThrow();
    await expect(probe(parseService({ name: "x", port }), stop.signal)).rejects.toThrow();
    server.close();
  });
});
