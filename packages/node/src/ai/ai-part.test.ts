import { MeshError, type NodeId, silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/core/testing";
import type { measureEngine, PoolDirectory, PoolView } from "@hearthmesh/pool";
import { describe, expect, it } from "vitest";
import type { AiConfig } from "../config/config.js";
import { REOPEN_PAUSE_MS } from "../on-demand.js";
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
    // Whatever else is touched of the options would throw.
    const known = { config: { ai: config }, record: { roles: ["ai"] } };
    const options = known as unknown as AiRuntimeOptions;
    const part = new AiPart(new Proxy<AiRuntimeOptions>(options, { get: touched }));
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

function touched(options: object, key: string): unknown {
  if (Object.hasOwn(options, key)) return Reflect.get(options, key);
  throw new Error("it was opened");
}

describe("a node whose models could not be opened", () => {
  const clock = new ManualClock();
  let isBroken = true;
  let times = 0;
  const options = {
    ...{ config: { home: "/nowhere", ai: { ...config, enabled: "false" } }, clock },
    ...{ record: { nodeId: "me", name: "me", roles: [] }, pools: undefined },
    ...{ mesh: () => undefined, library: {}, rangesOf: async () => [], random: systemRandom() },
    credentials: { onChange: () => () => undefined },
    get log() {
      times++;
      if (isBroken) throw new Error("no room");
      return silentLogger;
    },
  } as unknown as AiRuntimeOptions;
  const part = new AiPart(options);
  // It reaches the runtime, which knows no other node.
  const ask = () => part.benchLink("other", never);

  it("tells why, tries again with a later request, and not with each", async () => {
    await expect(ask()).rejects.toThrow("no room");
    isBroken = false;
    await expect(ask()).rejects.toThrow("no room");
    expect(times).toBe(1);
    clock.pass(REOPEN_PAUSE_MS);
    await expect(ask()).rejects.toMatchObject({ code: "MESH_BAD_REQUEST" });
    expect(times).toBe(2);
    expect((await part.rings()).unavailable).toContain("ai.enabled");
    await part.stop();
  });
});

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
