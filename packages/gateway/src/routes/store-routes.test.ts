import { MeshError, silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import type { StoreStatusResponse } from "../contracts/store.js";
import { HttpMetrics } from "../metrics/http-metrics.js";
import { buildApp } from "../server/build-app.js";
import type { Caller } from "../server/policy.js";
import type { StoreService } from "../store-service.js";
import { storeRoutes } from "./store-routes.js";

const status: StoreStatusResponse = {
  engine: "etcd",
  mode: "supervised",
  state: "ok",
  message: "well",
  version: "3.4.23",
  revision: 7,
  keys: 1,
  sizeBytes: 100,
  sizeInUseBytes: 50,
  quotaBytes: 1000,
  members: 1,
  voters: 1,
  healthy: 1,
  leader: null,
  lastSnapshot: null,
};

function service(pieces: () => AsyncIterable<Uint8Array>): StoreService {
  return {
    status: async () => status,
    members: async () => ({ members: [] }),
    snapshot: async () => pieces(),
  };
}

function app(store: StoreService | undefined, operator = true) {
  return buildApp({
    door: "loopback",
    services: { clock: systemClock(), random: systemRandom(), log: silentLogger },
    metrics: new HttpMetrics(async () => []),
    routes: storeRoutes({ store }),
    caller: () => ({ principal: { kind: "person" }, proved: true, operator }) as Caller,
  });
}

async function* bytes(): AsyncGenerator<Uint8Array> {
  yield Buffer.from("all of ");
  yield Buffer.from("it");
}

describe("the routes of the store", () => {
  it("tell its status and members, and give all of it", async () => {
    const door = app(service(bytes));
    expect((await door.inject("/api/store/status")).json()).toEqual(status);
    expect((await door.inject("/api/store/members")).json()).toEqual({ members: [] });
    const snapshot = await door.inject("/api/store/snapshot");
    expect(snapshot.body).toBe("all of it");
    expect(snapshot.headers["cache-control"]).toBe("no-store");
  });

  it("are for operators alone", async () => {
    for (const path of ["status", "members", "snapshot"]) {
      const answer = await app(service(bytes), false).inject(`/api/store/${path}`);
      expect([answer.statusCode, answer.json().code]).toEqual([403, "MESH_FORBIDDEN"]);
    }
  });

  it("say that there is no store, and why a snapshot cannot begin", async () => {
    expect((await app(undefined).inject("/api/store/status")).json().code).toBe("MESH_NOT_FOUND");
    const away = service(bytes);
    away.snapshot = async () => {
      throw new MeshError("MESH_STORE_UNAVAILABLE");
    };
    const answer = await app(away).inject("/api/store/snapshot");
    expect([answer.statusCode, answer.json().code]).toEqual([503, "MESH_STORE_UNAVAILABLE"]);
  });

  it("break off when a snapshot does, so that nobody takes a part for the whole", async () => {
    const broken = service(async function* () {
      yield Buffer.from("a part");
      throw new Error("the disk is gone");
    });
    await expect(app(broken).inject("/api/store/snapshot")).rejects.toThrow();
  });
});
