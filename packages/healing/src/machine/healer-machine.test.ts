/** The machine, step by step, where random scripts seldom come. */
import { describe, expect, it } from "vitest";
import { GIVEN_UP_RETRY_MS, GIVEN_UP_RETRY_MS_MAX, TIMELINE_MAX } from "../limits.js";
import { node } from "../testing/ailing-world.js";
import { MachineDriver } from "../testing/machine-driver.js";
import type { RemedyTraits } from "./healer-events.js";

const B = node("b");
const traits = (given: Partial<RemedyTraits> & Pick<RemedyTraits, "name">): RemedyTraits => ({
  handles: ["peer-unreachable"],
  cost: 0.2,
  risk: 0.2,
  verifyWithinMs: 4_000,
  rate: { count: 1_000, windowMs: 60_000 },
  ...given,
});
const REDIAL = traits({ name: "redial" });

/** Looks once a second; what is begun ends at once. */
function pass(driver: MachineDriver, seconds: number, outcome: "done" | "failed" = "done"): void {
  for (let second = 0; second < seconds; second++) {
    driver.look(1_000);
    driver.endAll(outcome);
  }
}

const only = (driver: MachineDriver) => [...driver.incidents.values()][0];

describe("HealerMachine", () => {
  it("uses a remedy for one subject no more often than its rate", () => {
    const driver = new MachineDriver([
      traits({ name: "redial", rate: { count: 3, windowMs: 60_000 } }),
    ]);
    for (let flap = 0; flap < 10; flap++) {
      driver.say("peer-unreachable", B, "ill");
      pass(driver, 1);
      driver.say("peer-unreachable", B, "well");
      pass(driver, 1);
    }
    expect(driver.applied).toHaveLength(3);
    driver.say("peer-unreachable", node("c"), "ill");
    pass(driver, 1);
    expect(driver.applied).toHaveLength(4);
  });

  it("waits for a remedy that is under way although the symptom is gone", () => {
    const driver = new MachineDriver([REDIAL]);
    driver.say("peer-unreachable", B, "ill");
    driver.look(1_000);
    driver.say("peer-unreachable", B, "well");
    driver.look(1_000);
    expect(only(driver)?.state).toBe("mending");
    driver.end("done");
    expect(only(driver)?.state).toBe("mended");
  });

  it("keeps what eases a symptom until it is gone, and gives it no credit for the end", () => {
    const driver = new MachineDriver([
      traits({ name: "redial", eases: true, verifyWithinMs: 1, rollbackWhen: "ended" }),
    ]);
    driver.say("peer-unreachable", B, "ill");
    pass(driver, 900);
    expect(driver.applied).toHaveLength(1);
    expect(only(driver)).toMatchObject({ state: "open", timings: { decidedMs: 0 } });
    driver.say("peer-unreachable", B, "well");
    pass(driver, 2);
    expect(only(driver)?.state).toBe("passed");
    expect(only(driver)?.timeline.map(({ step }) => step)).toEqual([
      ...["seen", "detected", "decided", "applied", "rolled-back", "closed"],
    ]);
    expect(only(driver)?.timeline.at(-1)?.text).toContain("redial made it easier meanwhile");
    expect(driver.effects.some(({ kind }) => kind === "remember")).toBe(false);
  });

  it("notes what is no fault, does nothing about it, and never calls for a person", () => {
    const driver = new MachineDriver([traits({ name: "redial", handles: ["node-left"] })]);
    driver.say("node-left", B, "ill");
    pass(driver, 900);
    expect(driver.applied).toEqual([]);
    expect(only(driver)).toMatchObject({ state: "open", severity: "info" });
    expect(only(driver)?.timeline.at(-1)?.text).toMatch(/^Nothing to mend\./);
    driver.say("node-left", B, "well");
    pass(driver, 1);
    expect(only(driver)?.state).toBe("passed");
  });

  it("says that it passed when the remedy failed and the symptom is gone", () => {
    const driver = new MachineDriver([REDIAL]);
    driver.say("peer-unreachable", B, "ill");
    driver.look(1_000);
    driver.say("peer-unreachable", B, "well");
    driver.look(1_000);
    driver.end("failed");
    expect(only(driver)?.state).toBe("passed");
  });

  it("puts first what helped before", () => {
    const driver = new MachineDriver([REDIAL, traits({ name: "re-route" })]);
    const record = { v: 1, symptom: "peer-unreachable", tookMs: 5 } as const;
    const remedies = [
      { ...record, remedy: "redial", helped: 6, failed: 1 },
      { ...record, remedy: "re-route", helped: 1, failed: 6 },
    ] as const;
    driver.step({
      kind: "loaded",
      remembered: { incidents: [], remedies, settings: undefined },
    });
    driver.say("peer-unreachable", B, "ill");
    driver.look(1_000);
    expect(driver.applied.map(({ remedy }) => remedy)).toEqual(["redial"]);
    const decided = only(driver)?.timeline.find(({ step }) => step === "decided");
    expect(decided?.candidates?.map(({ remedy }) => remedy)).toEqual(["redial", "re-route"]);
  });

  it("minds risk less, the worse the symptom is", () => {
    const handles = ["peer-relayed", "process-down"] as const;
    const bold = traits({ name: "restart-process", handles, cost: 0, risk: 0.8 });
    const careful = traits({ name: "redial", handles, cost: 0.9, risk: 0 });
    const chosen = (kind: (typeof handles)[number], holdS: number) => {
      const driver = new MachineDriver([bold, careful]);
      driver.say(kind, B, "ill");
      pass(driver, holdS + 2);
      return driver.applied[0]?.remedy;
    };
    expect(chosen("process-down", 0)).toBe("restart-process");
    expect(chosen("peer-relayed", 60)).toBe("redial");
  });

  it("tries again after a minute, then ever later, at most an hour", () => {
    const driver = new MachineDriver([REDIAL]);
    driver.say("peer-unreachable", B, "ill");
    for (let round = 0; round < 3_600; round++) {
      driver.look(5_000);
      driver.endAll("done");
    }
    const times = driver.applied.map(({ atMs }) => atMs);
    const gaps = times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0));
    // Each gap holds the time that the remedy had to help.
    expect(gaps[0]).toBeGreaterThanOrEqual(GIVEN_UP_RETRY_MS);
    expect(gaps[0]).toBeLessThan(2 * GIVEN_UP_RETRY_MS);
    for (const [index, gap] of gaps.slice(1).entries()) {
      const growth = gap / (gaps[index] ?? 1);
      expect(growth).toBeGreaterThan(gap < GIVEN_UP_RETRY_MS_MAX ? 1.5 : 0.9);
    }
    expect(Math.max(...gaps)).toBeLessThan(GIVEN_UP_RETRY_MS_MAX + 60_000);
  });

  it("keeps the first and the newest entries of a long incident", () => {
    const driver = new MachineDriver([REDIAL]);
    driver.say("peer-unreachable", B, "ill");
    for (let round = 0; round < 100; round++) {
      driver.look(GIVEN_UP_RETRY_MS_MAX);
      driver.endAll("failed");
    }
    const timeline = only(driver)?.timeline ?? [];
    expect(timeline).toHaveLength(TIMELINE_MAX);
    expect(timeline[0]?.step).toBe("seen");
    const gap = timeline.find(({ omitted }) => omitted !== undefined);
    expect(gap?.omitted).toBeGreaterThan(50);
    expect(gap?.text).toContain(`${gap?.omitted} entries`);
    expect(timeline.at(-1)?.step).toBe("given-up");
  });

  it("gives a remedy whose end nobody can see its time once more, and learns nothing of it", () => {
    const driver = new MachineDriver([REDIAL]);
    driver.say("peer-unreachable", B, "ill");
    pass(driver, 1);
    driver.say("peer-unreachable", B, "unknown");
    pass(driver, 6);
    expect(only(driver)?.state).toBe("verifying");
    pass(driver, 4);
    expect(only(driver)?.state).toBe("given-up");
    expect(driver.effects.filter(({ kind }) => kind === "remember")).toEqual([]);
    expect(driver.machine.counters().applied.get("redial")).toMatchObject({ failed: 0 });
  });

  it("takes a remedy back once, before the next one", () => {
    const driver = new MachineDriver([
      traits({ name: "redial", cost: 0, rollbackWhen: "ended" }),
      traits({ name: "re-route", cost: 0.5 }),
    ]);
    driver.say("peer-unreachable", B, "ill");
    pass(driver, 8);
    driver.say("peer-unreachable", B, "well");
    pass(driver, 2);
    const done = driver.effects.flatMap((effect) =>
      effect.kind === "apply" || effect.kind === "roll-back"
        ? [`${effect.kind} ${effect.run.remedy}`]
        : [],
    );
    expect(done).toEqual(["apply redial", "roll-back redial", "apply re-route"]);
    expect(only(driver)?.state).toBe("mended");
  });

  it("ends although what was done cannot be taken back, and says so", () => {
    const driver = new MachineDriver([traits({ name: "redial", rollbackWhen: "ended" })]);
    driver.say("peer-unreachable", B, "ill");
    pass(driver, 1);
    driver.say("peer-unreachable", B, "well");
    driver.look(1_000);
    driver.end("failed");
    expect(only(driver)?.state).toBe("mended");
    const texts = only(driver)?.timeline.map(({ text }) => text);
    expect(texts?.some((text) => text.includes("could not be taken back"))).toBe(true);
  });

  it("changes nothing for the end of a run that nobody waits for", () => {
    const driver = new MachineDriver([REDIAL]);
    driver.say("peer-unreachable", B, "ill");
    pass(driver, 1);
    const before = only(driver);
    driver.step({ kind: "applied", run: 1, did: "again" });
    driver.step({ kind: "apply-failed", run: 99, reason: "who?" });
    driver.step({ kind: "considered", key: "nobody", candidates: [] });
    expect(only(driver)).toBe(before);
  });

  it("gives up what nothing may be done about, and goes on once something may", () => {
    const driver = new MachineDriver([REDIAL]);
    driver.block("redial", true);
    driver.say("peer-unreachable", B, "ill");
    pass(driver, 60);
    expect(only(driver)?.state).toBe("open");
    pass(driver, 300);
    expect(only(driver)?.state).toBe("given-up");
    const { length } = only(driver)?.timeline ?? [];
    pass(driver, 600);
    expect(only(driver)?.timeline).toHaveLength(length);
    driver.block("redial", false);
    pass(driver, 61);
    expect(driver.applied).toHaveLength(1);
  });
});
