import { MeshError, type NodeId, silentLogger, systemClock } from "@hearthmesh/core";
import type { measureEngine, PoolDirectory, PoolView } from "@hearthmesh/pool";
import { describe, expect, it } from "vitest";
import type { AiConfig } from "../config/config.js";
import { AiHost } from "./ai-host.js";
import { aiMembers } from "./ai-members.js";
import { AiPart } from "./ai-part.js";
import type { AiRuntimeOptions } from "./ai-runtime.js";

const never = new AbortController().signal;
const config: AiConfig = {
  ...{ enabled: "auto", engine: "auto", threads: 2, memoryBytesMax: 1000, contextTokens: 512 },
  ...{ sequencesMax: 4, idleUnloadMs: 1000, modelCacheBytes: 1, tensor: { host: "x", port: 0 } },
};

describe("a node that nobody asked for a model", () => {
  it("says what it has without starting anything", async () => {
    // Whatever is touched of the options would throw.
    const part = new AiPart(new Proxy({} as AiRuntimeOptions, { get: touched }));
    expect(await part.stats(never)).toMatchObject({ jobsCompleted: 0, models: [] });
    expect(await part.rings()).toEqual({ unavailable: undefined, led: [], held: [] });
    expect(await part.metrics()).toEqual([]);
    expect(part.holds("m")).toBe(false);
    await part.stop();
    await expect(part.generate({} as never, never).next()).rejects.toMatchObject({
      code: "MESH_STOPPING",
    });
  });
});

function touched(): never {
  throw new Error("it was opened");
}

function view(name: string, members: readonly [id: string, status: "online" | "offline"][]) {
  return {
    name,
    members: members.map(([id, status], position) => ({
      ...{ nodeId: id as NodeId, name: id, isSelf: id === "me", status, position },
    })),
  } as unknown as PoolView;
}

describe("the members of a node", () => {
  const self = { nodeId: "me" as NodeId, name: "me" };
  const directory = (...pools: PoolView[]) => ({ pools: () => pools }) as unknown as PoolDirectory;

  it("are those of its own pools, each once, and it alone without a pool", () => {
    const one = view("one", [
      ["a", "online"],
      ["me", "offline"],
    ]);
    const two = view("two", [
      ["me", "online"],
      ["a", "offline"],
      ["b", "offline"],
    ]);
    const foreign = view("other", [["x", "online"]]);
    const members = aiMembers(self, directory(one, two, foreign));
    expect(members.list().map(({ nodeId, isOnline }) => [nodeId, isOnline])).toEqual([
      ["a", true],
      ["me", true],
      ["b", false],
    ]);
    expect([members.isPeer("b" as NodeId), members.isPeer("x" as NodeId)]).toEqual([true, false]);
    for (const pools of [undefined, directory(), directory(foreign)]) {
      expect(aiMembers(self, pools).list()).toEqual([{ ...self, isSelf: true, isOnline: true }]);
      expect(aiMembers(self, pools).isPeer("x" as NodeId)).toBe(false);
    }
  });
});

describe("the machine", () => {
  const clock = systemClock();
  const asked: string[] = [];
  const measure: typeof measureEngine = async ({ engine, threadCounts }) => {
    asked.push(engine);
    if (engine === "ggml") throw new MeshError("MESH_ENGINE_MISSING");
    return threadCounts.map((threads) => ({ threads, bytesPerSecond: 1e9 }));
  };
  const host = (more: Partial<AiConfig>, kept: unknown, hasRole = true, held = 0) =>
    new AiHost({
      ...{ config: { ...config, ...more }, hasRole, clock, measure },
      log: silentLogger,
      records: { read: async () => kept, write: async () => undefined },
      heldBytes: () => held,
    });

  it("runs models by its configuration and its role", () => {
    expect(host({}, undefined).unavailable).toBeUndefined();
    expect(host({}, undefined, false).unavailable).toContain("role");
    expect(host({ enabled: "true" }, undefined, false).unavailable).toBeUndefined();
    expect(host({ enabled: "false" }, undefined).unavailable).toContain("ai.enabled");
  });

  it("gives the memory that was allowed, less what it holds", () => {
    expect(host({}, undefined).memoryBytes()).toBe(1000);
    expect(host({}, undefined, true, 700).memoryBytes()).toBe(300);
    expect(host({}, undefined, true, 1200).memoryBytes()).toBe(0);
  });

  it("takes a measurement that was kept, while it is fresh and for the same engine", async () => {
    const kept = {
      ...{ v: 1, engine: "ggml", threads: 2, bytesPerSecond: 5e9 },
      measuredAtMs: clock.nowMs() - 1000,
    };
    expect(await host({}, kept).bandwidth(never)).toMatchObject({ bytesPerSecond: 5e9 });
    expect(asked).toEqual([]);
    for (const other of [{ ...kept, threads: 3 }, { ...kept, measuredAtMs: 0 }, { v: 2 }, "x"]) {
      const measured = await host({ engine: "reference" }, other).measured(never);
      expect(measured).toMatchObject({ engine: "reference", threads: 2, bytesPerSecond: 1e9 });
    }
  });

  it("falls back to the reference without the libraries, and only when it may", async () => {
    expect(await host({}, undefined).measured(never)).toMatchObject({ engine: "reference" });
    expect(asked.slice(-2)).toEqual(["ggml", "reference"]);
    await expect(host({ engine: "ggml" }, undefined).measured(never)).rejects.toMatchObject({
      code: "MESH_ENGINE_MISSING",
    });
  });
});
