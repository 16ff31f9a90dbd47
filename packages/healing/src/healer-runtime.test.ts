/** What the runtime does when others' code is slow, throws, or never ends. */
import { silentLogger } from "@hearthmesh/core";
import { afterEach, describe, expect, it } from "vitest";
import { Healer } from "./healer.js";
import type { Incident } from "./incident.js";
import { KnowledgeRecorder } from "./knowledge-recorder.js";
import { ABORT_GRACE_MS, APPLY_MS_MAX, LISTENERS_MAX, LOOK_MS_MAX } from "./limits.js";
import {
  AilingWorld,
  MemoryKnowledge,
  node,
  SELF,
  seededRandom,
  steppedClock,
} from "./testing/ailing-world.js";

const B = node("b");
const never = () => new Promise<never>(() => undefined);

describe("Healer at run time", () => {
  let world: AilingWorld;
  afterEach(() => world.healer.stop());

  const monitor = (name: string) => world.healer.status().monitors.find((one) => one.name === name);

  it("goes on without a monitor that hangs, tells it to end, and calls it unknown", async () => {
    world = new AilingWorld();
    let aborted = 0;
    let begun = 0;
    const look = (signal: AbortSignal) => {
      begun++;
      signal.addEventListener("abort", () => aborted++);
      return never();
    };
    world.addMonitor({ name: "slow", look });
    world.addRemedy({ name: "redial", handles: ["peer-unreachable"] });
    world.say("peer-unreachable", B, "ill");
    world.healer.start();
    await world.clock.advance(2_000);
    expect(world.incidents()[0]?.state).toBe("mended");
    await world.clock.advance(LOOK_MS_MAX + 2_000);
    expect({ aborted, begun }).toEqual({ aborted: 1, begun: 1 });
    expect(monitor("slow")).toMatchObject({ verdict: "unknown" });
    expect(monitor("slow")?.reason).toContain("did not answer");
    expect(world.healer.status().verdict).toBe("unknown");
    expect(world.healer.counters().looksFailed).toBe(1);
  });

  it("takes what a monitor throws as unknown, and leaves open what it saw before", async () => {
    world = new AilingWorld();
    let isBroken = false;
    world.addMonitor({
      name: "moody",
      look: async () => {
        if (isBroken) throw new Error("no such file");
        return [{ symptom: "process-down", subject: B, verdict: "ill", evidence: "it ended" }];
      },
    });
    world.healer.start();
    await world.clock.advance(2_000);
    isBroken = true;
    await world.clock.advance(60_000);
    expect(world.healer.status().open).toHaveLength(1);
    expect(monitor("moody")).toMatchObject({ verdict: "unknown", reason: "no such file" });
  });

  it("looks sooner when a monitor wakes it, once for many calls", async () => {
    world = new AilingWorld();
    let looks = 0;
    let wake: () => void = () => undefined;
    let isWatched = false;
    world.addMonitor({
      name: "eager",
      look: async () => {
        looks++;
        return [];
      },
      watch: (call) => {
        wake = call;
        isWatched = true;
        return () => {
          isWatched = false;
        };
      },
    });
    world.healer.start();
    await world.clock.advance(1_000);
    expect(looks).toBe(1);
    for (let calls = 0; calls < 100; calls++) wake();
    await world.clock.advance(100);
    expect(looks).toBe(2);
    await world.healer.stop();
    expect(isWatched).toBe(false);
  });

  it("ends a remedy that takes too long, also one that goes on regardless", async () => {
    world = new AilingWorld();
    let aborted = false;
    world.addRemedy({
      name: "redial",
      handles: ["peer-unreachable"],
      apply: (_symptom, signal) => {
        signal.addEventListener("abort", () => {
          aborted = true;
        });
        return never();
      },
    });
    world.say("peer-unreachable", B, "ill");
    world.healer.start();
    await world.clock.advance(APPLY_MS_MAX);
    expect(world.healer.status().open[0]?.state).toBe("mending");
    await world.clock.advance(ABORT_GRACE_MS + 2_000);
    expect(aborted).toBe(true);
    expect(world.healer.status().open[0]?.state).toBe("given-up");
    expect(world.healer.status().remedies[0]).toMatchObject({ applied: 1, failed: 1 });
  });

  it("waits for the hook before it applies a remedy, its use counted by then", async () => {
    let counted: number[] = [];
    let pass: () => void = () => undefined;
    world = new AilingWorld({
      beforeApply: () => {
        counted = [...world.healer.gates().usesAtMs];
        return new Promise((resolve) => {
          pass = resolve;
        });
      },
    });
    world.addRemedy({ name: "redial", handles: ["peer-unreachable"] });
    world.say("peer-unreachable", B, "ill");
    world.healer.start();
    await world.clock.advance(3_000);
    expect(counted).toHaveLength(1);
    expect(world.uses).toEqual([]);
    pass();
    await world.clock.advance(2_000);
    expect(world.uses.map(({ remedy }) => remedy)).toEqual(["redial"]);
    expect(world.incidents()[0]?.state).toBe("mended");
  });

  it("applies nothing that the hook refuses, nor what ended meanwhile", async () => {
    for (const refuse of [() => Promise.reject(new Error("not now")), never]) {
      world = new AilingWorld({ beforeApply: refuse });
      world.addRemedy({ name: "redial", handles: ["peer-unreachable"] });
      world.say("peer-unreachable", B, "ill");
      world.healer.start();
      await world.clock.advance(APPLY_MS_MAX + ABORT_GRACE_MS + 2_000);
      expect(world.uses).toEqual([]);
      expect(world.incidents()[0]?.timeline.map(({ step }) => step)).toContain("failed");
      await world.healer.stop();
    }
  });

  it("bars a remedy that throws when it is asked, and takes the next", async () => {
    world = new AilingWorld();
    const handles = ["peer-unreachable"] as const;
    const describe = () => {
      throw new Error("no idea");
    };
    world.addRemedy({ name: "redial", handles, cost: 0, describe });
    world.addRemedy({ name: "re-route", handles, cost: 1 });
    world.say("peer-unreachable", B, "ill");
    world.healer.start();
    await world.clock.advance(2_000);
    expect(world.uses.map(({ remedy }) => remedy)).toEqual(["re-route"]);
  });

  it("heals although nothing can be remembered, and writes it once it can", async () => {
    world = new AilingWorld();
    world.knowledge.isBroken = true;
    world.addRemedy({ name: "redial", handles: ["peer-unreachable"] });
    world.say("peer-unreachable", B, "ill");
    world.healer.start();
    await world.clock.advance(5_000);
    expect(world.incidents()[0]?.state).toBe("mended");
    expect(world.knowledge.incidents.size).toBe(0);
    world.knowledge.isBroken = false;
    await world.clock.advance(10_000);
    expect([...world.knowledge.incidents.values()][0]?.state).toBe("mended");
    expect(world.knowledge.remedies.size).toBe(1);
  });

  it("asks its store until it answers, and goes on with what it kept", async () => {
    const knowledge = new MemoryKnowledge();
    world = new AilingWorld({ knowledge });
    world.say("process-down", B, "ill");
    world.healer.start();
    await world.clock.advance(2_000);
    await world.healer.stop();
    const [earlier] = knowledge.incidents.values();
    knowledge.settings = { v: 1, configured: "acting", dryRun: true };
    knowledge.isBroken = true;
    world = new AilingWorld({ knowledge, clock: world.clock });
    world.say("process-down", B, "ill");
    world.healer.start();
    await world.clock.advance(20_000);
    expect(world.healer.status()).toMatchObject({ mode: "acting", open: [{ state: "given-up" }] });
    knowledge.isBroken = false;
    await world.clock.advance(10_000);
    expect(world.healer.status().mode).toBe("dry-run");
    // It is one incident: the record of the last run says where it goes on.
    const [open, ...others] = world.healer.status().open;
    expect(others).toEqual([]);
    expect(world.healer.incident(earlier?.id ?? "")).toMatchObject({ state: "ended" });
    const said = world.healer.incident(earlier?.id ?? "").timeline.at(-1)?.text;
    expect(said).toBe(`The daemon was started again, and it goes on as incident ${open?.id}.`);
  });

  it("goes on after a round that failed", async () => {
    world = new AilingWorld();
    let looks = 0;
    world.addMonitor({
      name: "mistaken",
      look: async () => {
        looks++;
        if (looks > 2) return [];
        return [{ symptom: "nonsense" as never, subject: B, verdict: "ill", evidence: "" }];
      },
    });
    world.addRemedy({ name: "redial", handles: ["peer-unreachable"] });
    world.healer.start();
    await world.clock.advance(2_500);
    world.say("peer-unreachable", B, "ill");
    await world.clock.advance(3_000);
    expect(looks).toBeGreaterThan(3);
    expect(world.incidents()[0]?.state).toBe("mended");
  });

  it("writes a record that comes in whatever turn the last one was written", async () => {
    for (let turns = 0; turns < 12; turns++) {
      const written: string[] = [];
      const knowledge = new MemoryKnowledge();
      knowledge.saveIncident = async ({ id }) => void written.push(id);
      const clock = steppedClock();
      const recorder = new KnowledgeRecorder({ knowledge, clock, log: silentLogger });
      recorder.incident({ id: "first" } as Incident);
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      recorder.incident({ id: "second" } as Incident);
      await recorder.stop();
      expect(written, `${turns} turns`).toEqual(["first", "second"]);
    }
  });

  it("survives a listener that throws, and refuses too many of them", async () => {
    world = new AilingWorld();
    world.healer.onEvent(() => {
      throw new Error("not my day");
    });
    world.say("peer-unreachable", B, "ill");
    world.healer.start();
    await world.clock.advance(2_000);
    expect(world.told.length).toBeGreaterThan(0);
    const listen = () => world.healer.onEvent(() => undefined);
    for (let count = 2; count < LISTENERS_MAX; count++) listen();
    expect(listen).toThrow(/listen/);
  });

  it("refuses two remedies, or two monitors, of one name", () => {
    world = new AilingWorld();
    world.addRemedy({ name: "redial", handles: ["peer-unreachable"] });
    expect(() => world.addRemedy({ name: "redial", handles: ["hub-lost"] })).toThrow("redial");
    expect(() => world.addMonitor({ name: "world", look: async () => [] })).toThrow("world");
  });

  it("says what would be done, without doing it", async () => {
    world = new AilingWorld({ mode: "dry-run" });
    world.addRemedy({ name: "redial", handles: ["peer-unreachable"] });
    world.say("peer-unreachable", B, "ill");
    const planned = await world.healer.plan(new AbortController().signal);
    expect(planned).toMatchObject([
      { symptom: "peer-unreachable", candidates: [{ remedy: "redial", uses: 0, success: 0.5 }] },
    ]);
    world.healer.start();
    await world.clock.advance(400_000);
    expect(world.uses).toEqual([]);
    const [incident] = world.incidents();
    expect(incident).toMatchObject({ dryRun: true, state: "open" });
    expect(incident?.timeline.filter(({ step }) => step === "decided")).toHaveLength(1);
  });

  it("waits for no knowledge that does not come", async () => {
    world = new AilingWorld();
    class Silent extends MemoryKnowledge {
      override load = never;
    }
    const clock = steppedClock();
    const options = { self: SELF, mode: "acting", random: seededRandom(1) } as const;
    const knowledge = new Silent();
    const healer = new Healer({ ...options, knowledge, clock, log: silentLogger });
    const fact = { symptom: "clock-skew", subject: B, verdict: "well", evidence: "0 ms" } as const;
    healer.add({ monitors: [{ name: "clock", look: async () => [fact] }], remedies: [] });
    healer.start();
    await clock.advance(3_000);
    expect(healer.status().verdict).toBe("well");
    await healer.stop();
  });
});
