import { silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import type { Endpoint } from "../contracts/index.js";
import { HttpMetrics } from "../metrics/http-metrics.js";
import { type AppOptions, buildApp } from "./build-app.js";
import type { Policy } from "./policy.js";
import { defineRoute } from "./route.js";

const endpoint: Endpoint = { method: "GET", path: "/thing", tag: "mesh", summary: "A thing" };

function options(routes: AppOptions["routes"]): AppOptions {
  const services = { clock: systemClock(), random: systemRandom(), log: silentLogger };
  const metrics = new HttpMetrics(async () => []);
  return { door: "loopback", services, metrics, routes };
}
const answering = (policy: Policy) =>
  defineRoute(endpoint, policy, async ({ reply }) => void reply.send("{}"));

describe("an application", () => {
  it("is not built with a route that names no policy", () => {
    const nameless = answering(undefined as unknown as Policy);
    expect(() => buildApp(options([nameless]))).toThrow(/GET \/thing names no policy/);
    const unknown = answering("anyone" as Policy);
    expect(() => buildApp(options([unknown]))).toThrow(/names no policy/);
  });

  it("is not built with a route that somebody adds past the table", () => {
    const app = buildApp(options([answering("public")]));
    expect(() => app.get("/debug", async () => "open")).toThrow(/names no policy/);
  });

  it("lets nobody in where no caller is known", async () => {
    for (const policy of ["enrolled", "operator", "self"] as const) {
      const answer = await buildApp(options([answering(policy)])).inject("/thing");
      expect([answer.statusCode, answer.json().code]).toEqual([401, "MESH_UNAUTHENTICATED"]);
    }
    expect((await buildApp(options([answering("public")])).inject("/thing")).statusCode).toBe(200);
  });

  it("does not show what went wrong inside", async () => {
    const failing = defineRoute(endpoint, "public", async () => {
      throw new Error("password=hunter2 in /home/alice");
    });
    const answer = await buildApp(options([failing])).inject("/thing");
    expect(answer.statusCode).toBe(500);
    expect(answer.json().code).toBe("MESH_INTERNAL");
    expect(answer.body).not.toMatch(/hunter2|alice/);
  });

  it("refuses more requests than may be under way, and goes on after", async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let waiting = 0;
    const slow = defineRoute(endpoint, "public", async ({ reply }) => {
      waiting++;
      await held;
      reply.send("{}");
      return undefined;
    });
    const app = buildApp({ ...options([slow]), requestsInFlightMax: 2 });
    const first = [app.inject("/thing"), app.inject("/thing")];
    await expect.poll(() => waiting).toBe(2);
    const refused = await app.inject("/thing");
    expect([refused.statusCode, refused.json().code]).toEqual([429, "MESH_LIMIT"]);
    expect(refused.headers["retry-after"]).toBe("1");
    release();
    for (const answer of await Promise.all(first)) expect(answer.statusCode).toBe(200);
    expect((await app.inject("/thing")).statusCode).toBe(200);
  });
});
