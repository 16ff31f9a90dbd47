import { once } from "node:events";
import { MeshError, silentLogger } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/qwormhole/testing";
import { beforeEach, describe, expect, it } from "vitest";
import { MemoryWorker } from "../testing/memory-worker.js";
import { EngineProcesses } from "./engine-processes.js";
import { ENGINE_PROOF_MS_MAX } from "./limits.js";

const RING = { key: "a r", ringId: "r", modelName: "tiny", leaderName: undefined };
const turn = () => new Promise((resolve) => setImmediate(resolve));

let clock: ManualClock;
let cpu: number | undefined;
let proofs: number;
let woken: number;
let tokens: boolean;
let isMute: boolean;
let engines: EngineProcesses;
let changes: number;

beforeEach(() => {
  clock = new ManualClock();
  [cpu, proofs, woken, changes, tokens, isMute] = [0, 0, 0, 0, true, false];
  engines = new EngineProcesses({
    ...{ clock, log: silentLogger, cpuMs: async () => cpu },
    prove: async (_ringId, signal) => {
      proofs++;
      if (isMute) await once(signal, "abort");
      if (!tokens || signal.aborted) throw new MeshError("MESH_ENGINE_FAILED");
    },
    wake: async () => void woken++,
  });
  engines.onChange(() => changes++);
});

function worker(): MemoryWorker {
  return new MemoryWorker("a" as never, () => []);
}

function state(): string | undefined {
  return engines.list()[0]?.state();
}

async function pass(seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    await clock.advance(1_000);
    await turn();
  }
}

function serve(): MemoryWorker {
  const one = worker();
  engines.started(RING, one);
  engines.joined(RING);
  return one;
}

describe("the process of an engine", () => {
  it("runs, is down when it ended, and runs again only with a token", async () => {
    serve();
    expect(engines.list()[0]?.name).toBe("engine of tiny (ring r)");
    expect(state()).toBe("running");
    tokens = false;
    engines.ended(RING.key, "the worker ended with SIGKILL");
    expect(state()).toBe("starting");
    serve();
    await pass(3);
    expect(state()).toBe("starting");
    expect(proofs).toBeGreaterThan(1);
    tokens = true;
    await pass(2);
    expect(state()).toBe("running");
    expect(engines.list()[0]?.describe()).toContain("served again 4.0 s later");
    expect(changes).toBeGreaterThan(3);
  });

  it("is not asked for its proof twice at a time, and not waited for for ever", async () => {
    isMute = true;
    serve();
    engines.ended(RING.key, "the worker ended with SIGKILL");
    serve();
    await pass(ENGINE_PROOF_MS_MAX / 1_000 - 1);
    expect([proofs, state()]).toEqual([1, "starting"]);
    isMute = false;
    await pass(2);
    expect([proofs, state()]).toEqual([2, "running"]);
  });

  it("is silent when it neither answers nor computes, and is ended on request", async () => {
    const one = serve();
    await pass(30);
    expect(state()).toBe("running");
    one.isSilent = true;
    await pass(10);
    expect(state()).toBe("silent");
    await engines.list()[0]?.restart();
    expect(one.isClosed).toBe(true);
  });

  it("is not silent while it computes, but not for ever", async () => {
    const one = serve();
    one.isSilent = true;
    for (let second = 0; second < 120; second++) {
      cpu = (cpu ?? 0) + 900;
      await pass(1);
    }
    expect(state()).toBe("running");
    for (let second = 0; second < 500; second++) {
      cpu = (cpu ?? 0) + 900;
      await pass(1);
    }
    expect(state()).toBe("silent");
  });

  it("is judged with patience where the system tells no CPU time", async () => {
    const one = serve();
    cpu = undefined;
    one.isSilent = true;
    await pass(120);
    expect(state()).toBe("running");
    await pass(500);
    expect(state()).toBe("silent");
  });

  it("is not ended while its ring loads it, and is planned when the ring gave up", async () => {
    const first = worker();
    engines.started(RING, first);
    const [one] = engines.list();
    await expect(one?.restart()).rejects.toMatchObject({ code: "MESH_RING_NOT_READY" });
    engines.joined(RING);
    engines.ended(RING.key, "the worker ended with SIGSEGV");
    engines.gaveUp(RING.key, "no room");
    expect(state()).toBe("failing");
    await one?.restart();
    expect(woken).toBe(1);
    engines.letGo(RING.key);
    expect(engines.list()).toEqual([]);
    expect(one?.state()).toBe("stopped");
    expect(one?.describe()).toMatch(/^the worker ended with SIGSEGV .*it was let go/);
  });

  it("that never ran is not missed; that of another leader is that leader's to load", async () => {
    engines.started(RING, worker());
    engines.gaveUp(RING.key, "no room");
    expect(engines.list()).toEqual([]);
    engines.started({ ...RING, leaderName: "b" }, worker());
    engines.ended(RING.key, "the worker ended with SIGKILL");
    await expect(engines.list()[0]?.restart()).rejects.toThrow(/only b, which leads the ring/);
  });
});
