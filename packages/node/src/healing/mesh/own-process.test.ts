import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MeshError, silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/core/testing";
import type { Fact, Symptom, SymptomKind } from "@hearthmesh/healing";
import { afterAll, describe, expect, it } from "vitest";
import { SupervisedChild } from "../../processes/supervised-child.js";
import type {
  ProcessState,
  SupervisedProcess,
  SupervisedProcesses,
} from "../../processes/supervised-process.js";
import { CanaryMonitor } from "./canary-monitor.js";
import { CertificateMonitor } from "./certificate-monitor.js";
import { MODEL_AWAITED_MS_MAX, MODEL_RESTED_MS_MIN } from "./limits.js";
import { lagFact, loadFact } from "./loop-monitor.js";
import { LoopMeter } from "./loop-readings.js";
import { memoryFacts } from "./memory-monitor.js";
import { readMemory } from "./memory-readings.js";
import { ProcessMonitor } from "./process-monitor.js";
import { RenewCertificate } from "./renew-certificate.js";
import { RestartProcess } from "./restart-process.js";
import { collectGarbage, ShedMemory } from "./shed-memory.js";
import { ThrottleBackground } from "./throttle-background.js";

const { signal } = new AbortController();
const node = { nodeId: "abc", name: "a" };
const tools = { clock: systemClock(), random: systemRandom(), log: silentLogger };

function symptom(kind: SymptomKind, type: Symptom["subject"]["type"], id = "abc"): Symptom {
  const subject = { type, id, name: id };
  return { kind, subject, severity: "warning", sinceMs: 0, evidence: [], values: {} };
}

function listOf(one: SupervisedProcess): SupervisedProcesses {
  return { list: () => [one], onChange: (listener) => one.onChange?.(listener) ?? (() => {}) };
}

const verdicts = (facts: readonly Fact[]) =>
  Object.fromEntries(facts.map(({ subject, verdict }) => [subject.id, verdict]));

describe("the programs of a node", () => {
  const folder = mkdtempSync(join(tmpdir(), "healed-process-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("are down when they ended, and well when their supervisor has started them", async () => {
    const listeners = new Set<() => void>();
    const child = new SupervisedChild({
      name: "shell",
      path: "/bin/sh",
      args: () => ["-c", "exec sleep 60"],
      logPath: join(folder, "shell.log"),
      complaintOf: () => undefined,
      searchPath: process.env.PATH,
      onChange: () => {
        for (const listener of listeners) listener();
      },
      ...tools,
    });
    const shell: SupervisedProcess = {
      name: "shell",
      state: () => (!child.wanted ? "stopped" : child.running ? "running" : "starting"),
      describe: () => `ended ${child.ends} times, last by ${child.lastEnd}`,
      restart: () => child.restart(),
      onChange: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    };
    const shells = listOf(shell);
    const monitor = new ProcessMonitor(shells);
    expect(await monitor.look()).toEqual([]);
    child.start();
    expect(await monitor.look()).toMatchObject([{ verdict: "well" }]);
    const woken = new Promise<void>((resolve) => monitor.watch(resolve));
    process.kill(child.pid as number, "SIGKILL");
    await woken;
    const [fact] = await monitor.look();
    expect(fact).toMatchObject({ verdict: "ill", evidence: "ended 1 times, last by SIGKILL" });
    const remedy = new RestartProcess(shells, tools.clock);
    const shellDown = symptom("process-down", "process", "shell");
    const outcome = await remedy.apply(shellDown, signal);
    // Who did it is told, and it is no credit of the remedy.
    expect(outcome.did).toMatch(/^its own supervisor started shell, which answers after /);
    expect(outcome.changedNothing).toBe(true);
    const { pid } = child;
    expect(await remedy.apply(shellDown, signal)).toEqual({
      ...{ did: "shell runs by now, and was left alone", changedNothing: true },
    });
    expect(child.pid).toBe(pid);
    expect(await monitor.look()).toMatchObject([{ verdict: "well" }]);
    await child.stop();
    expect(remedy.blockedBy(symptom("process-down", "process", "shell"))).toContain("nobody");
  });

  it("are restarted when nobody else does, and not believed silent at once", async () => {
    let state: ProcessState = "starting";
    let restarts = 0;
    const restart = async () => {
      restarts++;
      state = "running";
    };
    const one: SupervisedProcess = {
      name: "one",
      state: () => state,
      describe: () => state,
      restart,
    };
    const monitor = new ProcessMonitor(listOf(one));
    expect(await monitor.look()).toMatchObject([{ verdict: "unknown" }]);
    state = "silent";
    const [silent] = await monitor.look();
    expect(silent).toMatchObject({ verdict: "ill", holdMs: 10_000 });
    const { did, changedNothing } = await new RestartProcess(listOf(one), tools.clock).apply(
      symptom("process-down", "process", "one"),
      signal,
    );
    expect(did).toMatch(/^one was silent, and was started anew after /);
    expect(changedNothing).toBeUndefined();
    expect(restarts).toBe(1);
    expect(await monitor.look()).toMatchObject([{ verdict: "well" }]);
  });

  it("are over when they are let go while they are down, and told of once", async () => {
    let [state, restarts]: [ProcessState, number] = ["running", 0];
    const one: SupervisedProcess = {
      ...{ name: "engine", startMs: 1, state: () => state, describe: () => `it is ${state}` },
      restart: async () => void restarts++,
    };
    let all: SupervisedProcess[] = [one];
    const list = { list: () => all, onChange: () => () => undefined };
    const monitor = new ProcessMonitor(list);
    const remedy = new RestartProcess(list, tools.clock);
    const ill = symptom("process-down", "process", "engine");
    await monitor.look();
    state = "starting";
    expect(await monitor.look()).toMatchObject([{ verdict: "ill" }]);
    expect((await remedy.apply(ill, signal)).did).toMatch(
      /^engine was starting .* it loads still$/,
    );
    state = "stopped";
    const applied = await remedy.apply(ill, signal);
    expect(applied).toEqual({ did: "it is stopped", changedNothing: true });
    all = [];
    expect(await monitor.look()).toMatchObject([{ verdict: "well", evidence: "it is stopped" }]);
    expect(await monitor.look()).toEqual([]);
    expect(restarts).toBe(1);
  });
});

describe("the event loop", () => {
  const window = { durationMs: 1_000, lagP99Ms: 900, lagMaxMs: 950, cpuPart: 0.97, busyPart: 0.99 };

  it("is late by its own work, or nobody knows", () => {
    expect(lagFact(window, node)).toMatchObject({ verdict: "ill", values: { lagP99Ms: 900 } });
    const starved = lagFact({ ...window, cpuPart: 0.05 }, node);
    expect(starved).toMatchObject({ verdict: "unknown" });
    expect(starved.evidence).toContain("the machine stood still");
    expect(lagFact({ ...window, lagP99Ms: 20 }, node).verdict).toBe("well");
    expect(lagFact(undefined, node).verdict).toBe("unknown");
  });

  it("has no room above its mark", () => {
    expect(loadFact(window, 12, node)).toMatchObject({ verdict: "ill", values: { waiting: 12 } });
    expect(loadFact({ ...window, busyPart: 0.6 }, 12, node).verdict).toBe("well");
    expect(loadFact(undefined, 0, node).verdict).toBe("unknown");
  });

  it("is measured: a loop that was blocked was late, with the CPU time that it took", async () => {
    const meter = new LoopMeter(tools.clock);
    meter.begin();
    expect(meter.window()).toBeUndefined();
    const fromCpu = process.cpuUsage();
    const usedMs = () => {
      const { user, system } = process.cpuUsage(fromCpu);
      return (user + system) / 1_000;
    };
    while (usedMs() < 1_000);
    // Whoever looks before the late timer has come sees how late it is.
    const measured = meter.window();
    expect(measured?.lagMaxMs).toBeGreaterThan(500);
    const { cpuPart = 0, durationMs = 0 } = measured ?? {};
    expect(cpuPart * durationMs).toBeGreaterThanOrEqual(1_000);
    expect(meter.window()).toBe(measured);
    meter.end();
    expect(meter.window()).toBeUndefined();
  });

  it("is late in the window in which the late timer comes, whoever looks first", async () => {
    const manual = new ManualClock();
    let stoodMs = 0;
    const meter = new LoopMeter({
      nowMs: () => manual.nowMs(),
      monotonicMs: () => manual.monotonicMs() + stoodMs,
      setTimeout: (callback, delayMs) => manual.setTimeout(callback, delayMs),
    });
    meter.begin();
    await manual.advance(1_000);
    expect(meter.window()?.lagMaxMs).toBe(0);
    stoodMs = 1_500;
    expect(meter.window()?.lagMaxMs).toBeGreaterThan(1_400);
    await manual.advance(1_000);
    expect(meter.window()?.lagMaxMs).toBeLessThan(100);
    meter.end();
  });
});

describe("memory", () => {
  const files = (all: Record<string, string>) => async (path: string) => all[path];
  const meminfo = "MemTotal:        4000000 kB\nMemFree: 1 kB\nMemAvailable:     100000 kB\n";

  it("is what the system tells of the tightest group, else unknown", async () => {
    const told = await readMemory(
      files({
        "/proc/meminfo": meminfo,
        "/proc/self/cgroup": "0::/system.slice/mesh.service\n",
        "/sys/fs/cgroup/system.slice/mesh.service/memory.max": "max\n",
        "/sys/fs/cgroup/system.slice/mesh.service/memory.current": "1\n",
        "/sys/fs/cgroup/system.slice/memory.max": "1000000\n",
        "/sys/fs/cgroup/system.slice/memory.current": "1200000\n",
        "/sys/fs/cgroup/system.slice/memory.stat": "anon 5\ninactive_file 250000\n",
      }),
    );
    expect(told.group).toEqual({ usedBytes: 950_000, limitBytes: 1_000_000 });
    expect(verdicts(memoryFacts(told))).toEqual({ heap: "well", group: "ill", machine: "ill" });
    const older = await readMemory(
      files({
        "/proc/self/cgroup": "4:cpu,memory:/box\n",
        "/sys/fs/cgroup/memory/box/memory.limit_in_bytes": "9223372036854771712\n",
        "/sys/fs/cgroup/memory/box/memory.usage_in_bytes": "5\n",
      }),
    );
    expect(older.group).toBeUndefined();
    expect(verdicts(memoryFacts(older))).toEqual({ heap: "well", machine: "unknown" });
    expect(memoryFacts(await readMemory()).length).toBeGreaterThanOrEqual(2);
  });

  it("is given back when nobody uses it", async () => {
    let garbage: unknown[] | undefined = Array.from({ length: 600_000 }, (_, at) => ({ at }));
    const usedBytes = () => process.memoryUsage().heapUsed;
    const fullBytes = usedBytes();
    expect(garbage).toHaveLength(600_000);
    garbage = undefined;
    const { clock } = tools;
    const read = async () => ({
      ...(await readMemory(async () => undefined)),
      rssBytes: usedBytes(),
    });
    const models = undefined;
    const shed = new ShedMemory({ read, collect: collectGarbage, models, clock });
    const { did, changedNothing } = await shed.apply(symptom("memory-high", "memory"), signal);
    expect(did).toMatch(/^the daemon went from \d+ MiB to \d+ MiB$/);
    expect(changedNothing).toBe(false);
    expect(fullBytes - usedBytes()).toBeGreaterThan(8 * 2 ** 20);
  });

  it("of models is told of with its bytes; when nothing came back, that is told", async () => {
    const MIB = 2 ** 20;
    let availableBytes = 100 * MIB;
    const read = async () => ({
      ...{ rssBytes: 90 * MIB, heap: { usedBytes: 1, limitBytes: 2 } },
      machine: { availableBytes, totalBytes: 1000 * MIB },
    });
    let unloaded: { model: string; bytes: number; restedMs: number }[] = [];
    const models = {
      unloadResting: async (restedMsMin: number) => {
        expect(restedMsMin).toBeGreaterThan(0);
        availableBytes += unloaded.reduce((sum, { bytes }) => sum + bytes, 0);
        return unloaded;
      },
      resting: () => unloaded,
      foreignBytes: () => 30 * MIB,
    };
    const shed = new ShedMemory({ read, collect: () => undefined, models, clock: tools.clock });
    const memory = symptom("memory-high", "memory");
    expect(await shed.apply(memory, signal)).toMatchObject({ changedNothing: true });
    unloaded = [{ model: "tiny", bytes: 64 * MIB, restedMs: 40_000 }];
    const { did, changedNothing } = await shed.apply(memory, signal);
    expect(changedNothing).toBe(false);
    expect(did).toBe(
      "unloaded tiny (64 MiB), which nobody used for 40 s; the daemon went from 90 MiB to " +
        "90 MiB; the machine went from 100 MiB to 164 MiB available; 30 MiB stay, held for " +
        "rings that other nodes lead",
    );
    // Engines have no part in the heap of the daemon.
    const heap = await shed.apply(symptom("memory-high", "memory", "heap"), signal);
    expect(heap.did).not.toContain("unloaded");
  });

  it("waits for a model that was used a moment ago, and not for ever", () => {
    const clock = new ManualClock();
    let rested: { model: string; restedMs: number }[] = [];
    const models = {
      resting: () => rested,
      unloadResting: async () => [],
      foreignBytes: () => 0,
    };
    const read = async () => ({ rssBytes: 1, heap: { usedBytes: 1, limitBytes: 2 } });
    const shed = new ShedMemory({ read, collect: () => undefined, models, clock });
    const why = (id: string) =>
      shed.blockedBy({ ...symptom("memory-high", "memory", id), sinceMs: 1_000_000 });
    expect(why("machine")).toBeUndefined();
    rested = [{ model: "tiny", restedMs: MODEL_RESTED_MS_MIN - 1 }];
    expect(why("machine")).toBe("tiny was used within the last 30 s: it is unloaded after that");
    expect(why("heap")).toBeUndefined();
    rested.push({ model: "other", restedMs: MODEL_RESTED_MS_MIN });
    expect(why("machine")).toBeUndefined();
    rested.pop();
    clock.pass(MODEL_AWAITED_MS_MAX);
    expect(why("machine")).toBeUndefined();
  });
});

describe("background work", () => {
  it("rests while any symptom asks for it", async () => {
    let isOn = false;
    const restrain = (on: boolean) => {
      isOn = on;
    };
    const remedy = new ThrottleBackground([{ name: "scrub", restrain }]);
    const load = symptom("load-high", "node");
    const lag = symptom("event-loop-lag", "event-loop");
    await remedy.apply(load);
    await remedy.apply(lag);
    await remedy.apply(lag);
    await remedy.rollback(lag);
    expect(isOn).toBe(true);
    expect((await remedy.rollback(load)).did).toContain("at their own speed again");
    expect(isOn).toBe(false);
    expect(new ThrottleBackground([]).blockedBy()).toBeDefined();
  });
});

describe("the node's certificate", () => {
  const validity = { notBeforeMs: 0, notAfterMs: 1_000_000 };
  const at = async (nowMs: number) => {
    const clock = { ...tools.clock, nowMs: () => nowMs };
    const credentials = { validity, onChange: () => undefined };
    const [fact] = await new CertificateMonitor({ credentials, node, clock }).look();
    return fact?.verdict;
  };

  it("is overdue after three quarters of its life, and when it does not hold", async () => {
    expect(await at(600_000)).toBe("well");
    expect(await at(760_000)).toBe("ill");
    expect(await at(1_000_001)).toBe("ill");
    expect(await at(-5)).toBe("ill");
  });

  it("is renewed now, or the reason is told", async () => {
    const asked: boolean[] = [];
    const renew = async (now = false) => {
      asked.push(now);
      return "renew" as const;
    };
    const renewed = await new RenewCertificate({ renew }, { validity }).apply();
    expect(renewed.did).toBe("the certificate was renewed until 1970-01-01T00:16:40.000Z");
    expect(asked).toEqual([true]);
    const failing = new RenewCertificate(
      { renew: () => Promise.reject(new MeshError("MESH_UNREACHABLE")) },
      { validity },
    );
    await expect(failing.apply()).rejects.toMatchObject({ code: "MESH_UNREACHABLE" });
  });
});

describe("the canary", () => {
  it("is starting until it has sung, and asked again soon after a failure", async () => {
    let nowMs = 0;
    let asked = 0;
    let status: "ok" | "failing" | "degraded" | "unknown" = "failing";
    const clock = { ...tools.clock, monotonicMs: () => nowMs };
    const ready = async () => {
      asked++;
      return { status, checks: [{ name: "chunk", status, reason: "no node" }] };
    };
    const monitor = new CanaryMonitor({ ready, node, clock });
    const look = async (afterMs: number) => {
      nowMs += afterMs;
      return (await monitor.look())[0]?.verdict;
    };
    expect(await look(0)).toBe("unknown");
    expect(await look(1_000)).toBe("unknown");
    expect(asked).toBe(1);
    status = "ok";
    expect(await look(1_000)).toBe("well");
    status = "failing";
    expect(await look(5_000)).toBe("well");
    expect(await look(10_000)).toBe("ill");
    status = "unknown";
    expect(await look(2_000)).toBe("unknown");
    status = "degraded";
    expect(await look(2_000)).toBe("well");
    expect(asked).toBe(5);
  });
});
