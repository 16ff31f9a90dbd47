import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SymptomKind, Verdict } from "../fact.js";
import {
  BREAKER_FAILURES,
  BREAKER_OPEN_MS,
  BUDGET_COUNT,
  BUDGET_WINDOW_MS,
  TIMELINE_MAX,
} from "../limits.js";
import { symptomKey } from "../symptom.js";
import { node } from "../testing/ailing-world.js";
import { MachineDriver } from "../testing/machine-driver.js";
import type { RemedyTraits } from "./healer-events.js";

const KINDS = ["peer-unreachable", "process-down", "service-failing", "partition"] as const;
const SUBJECTS = ["a", "b", "c", "d"].map(node);

const common = { cost: 0.2, risk: 0.2, verifyWithinMs: 4_000 } as const;
const TRAITS: readonly RemedyTraits[] = [
  {
    ...common,
    name: "redial",
    handles: ["peer-unreachable", "partition"],
    rate: { count: 3, windowMs: 60_000 },
  },
  {
    ...common,
    name: "re-route",
    handles: ["peer-unreachable"],
    rate: { count: 9, windowMs: 30_000 },
    rollbackWhen: "failed",
  },
  {
    ...common,
    name: "restart-process",
    handles: ["process-down", "service-failing"],
    rate: { count: 50, windowMs: 60_000 },
    rollbackWhen: "ended",
  },
];

type Action =
  | { act: "say"; kind: SymptomKind; subject: number; verdict: Verdict | "silent" }
  | { act: "look"; afterMs: number; times: number }
  | { act: "end"; outcome: "done" | "failed" }
  | { act: "mode"; mode: "pause" | "resume" | "dry" | "act" }
  | { act: "block"; remedy: number; isBlocked: boolean };

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      act: fc.constant("say" as const),
      kind: fc.constantFrom(...KINDS),
      subject: fc.nat(SUBJECTS.length - 1),
      verdict: fc.constantFrom<Verdict | "silent">("well", "ill", "ill", "unknown", "silent"),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      act: fc.constant("look" as const),
      afterMs: fc.constantFrom(50, 1_000, 1_000, 30_000),
      times: fc.integer({ min: 1, max: 15 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      act: fc.constant("end" as const),
      outcome: fc.constantFrom("done" as const, "failed" as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      act: fc.constant("mode" as const),
      mode: fc.constantFrom<"pause" | "resume" | "dry" | "act">(
        "pause",
        "resume",
        "resume",
        "dry",
        "act",
        "act",
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      act: fc.constant("block" as const),
      remedy: fc.nat(TRAITS.length - 1),
      isBlocked: fc.boolean(),
    }),
  },
);

const script = fc.array(action, { maxLength: 120 });

function play(actions: readonly Action[]): MachineDriver {
  const driver = new MachineDriver(TRAITS);
  for (const one of actions) perform(driver, one);
  return driver;
}

function perform(driver: MachineDriver, one: Action): void {
  const by = "test";
  if (one.act === "say") driver.say(one.kind, SUBJECTS[one.subject] ?? node("a"), one.verdict);
  else if (one.act === "end") driver.end(one.outcome);
  else if (one.act === "block") driver.block(TRAITS[one.remedy]?.name ?? "redial", one.isBlocked);
  else if (one.act === "look") for (let n = 0; n < one.times; n++) driver.look(one.afterMs);
  else if (one.mode === "pause") driver.step({ kind: "pause", forMs: 20_000, by });
  else if (one.mode === "resume") driver.step({ kind: "resume", by });
  else driver.step({ kind: "dry-run", on: one.mode === "dry", by });
}

/** The most of these times that lie within one window. */
function mostWithin(times: readonly number[], windowMs: number): number {
  const within = times.map((from) => times.filter((at) => at >= from && at < from + windowMs));
  return Math.max(0, ...within.map((some) => some.length));
}

describe("HealerMachine, whatever happens", () => {
  it("never runs two remedies for one symptom, nor acts while it must not", () => {
    fc.assert(
      fc.property(script, (actions) => {
        expect(play(actions).broken).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  it("never uses more than its budget, nor a remedy more often than its rate", () => {
    fc.assert(
      fc.property(script, (actions) => {
        const { applied } = play(actions);
        const times = applied.map(({ atMs }) => atMs);
        expect(mostWithin(times, BUDGET_WINDOW_MS)).toBeLessThanOrEqual(BUDGET_COUNT);
        for (const { name, rate } of TRAITS) {
          for (const subject of SUBJECTS) {
            const about = applied.filter(
              (one) => one.remedy === name && one.key.endsWith(` ${subject.type} ${subject.id}`),
            );
            const most = mostWithin(
              about.map(({ atMs }) => atMs),
              rate.windowMs,
            );
            expect(most).toBeLessThanOrEqual(rate.count);
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  it("gives the same effects for the same events", () => {
    fc.assert(
      fc.property(script, (actions) => {
        expect(play(actions).effects).toEqual(play(actions).effects);
      }),
      { numRuns: 50 },
    );
  });

  it("opens and closes nothing while nobody can see", () => {
    fc.assert(
      fc.property(script, fc.constantFrom("unknown", "ill"), (actions, verdict) => {
        const driver = play(actions);
        driver.endAll("failed");
        const seen = new Set(driver.incidents.keys());
        driver.sayAll("unknown");
        // One of them as it was: a part that can see says nothing about the others.
        driver.say("peer-unreachable", node("far"), verdict === "ill" ? "well" : "unknown");
        driver.look(1_000);
        // Silence is not "unknown": what nobody speaks of ends now, once it is taken back.
        driver.endAll("failed");
        const open = driver.openIncidents().map(({ id }) => id);
        for (let n = 0; n < 30; n++) {
          driver.look(10_000);
          driver.endAll("failed");
        }
        expect([...driver.incidents.keys()].filter((id) => !seen.has(id))).toEqual([]);
        expect(driver.openIncidents().map(({ id }) => id)).toEqual(open);
      }),
      { numRuns: 100 },
    );
  });

  it("closes or gives up every incident, when it may act and things stay as they are", () => {
    fc.assert(
      fc.property(script, fc.constantFrom("done", "failed"), (actions, outcome) => {
        const driver = play(actions);
        driver.step({ kind: "resume", by: "test" });
        driver.step({ kind: "dry-run", on: false, by: "test" });
        const states = new Map<string, Set<string>>();
        for (let n = 0; n < 900; n++) {
          driver.look(1_000);
          driver.endAll(outcome);
          for (const { id, state } of driver.incidents.values()) {
            states.set(id, (states.get(id) ?? new Set()).add(state));
          }
        }
        for (const reached of states.values()) {
          const done = ["given-up", "mended", "passed", "ended"].some((one) => reached.has(one));
          expect(done, [...reached].join(" ")).toBe(true);
        }
      }),
      { numRuns: 15 },
    );
  });

  it("keeps timelines short, and in the order of time", () => {
    fc.assert(
      fc.property(script, (actions) => {
        for (const { timeline } of play(actions).incidents.values()) {
          expect(timeline.length).toBeLessThanOrEqual(TIMELINE_MAX);
          const times = timeline.map(({ afterMs }) => afterMs);
          expect(times).toEqual([...times].sort((a, b) => a - b));
        }
      }),
      { numRuns: 100 },
    );
  });

  it("rests a remedy for a subject that it failed for so many times in a row", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(500, 1_000, 7_000), { maxLength: 400 }), (gaps) => {
        const driver = new MachineDriver(TRAITS);
        for (const subject of SUBJECTS) driver.say("process-down", subject, "ill");
        const failedAt = new Map<string, number[]>();
        for (const gap of gaps) {
          driver.look(gap);
          while (driver.running.size > 0) {
            const [run] = driver.running.values();
            if (run?.remedy === "restart-process") {
              const key = symptomKey(run.symptom);
              failedAt.set(key, [...(failedAt.get(key) ?? []), driver.nowMs]);
            }
            driver.end("failed");
          }
        }
        for (const [key, times] of failedAt) {
          const openedAt = times[BREAKER_FAILURES - 1];
          if (openedAt === undefined) continue;
          const during = driver.applied.filter(
            ({ key: of, atMs }) =>
              of === key && atMs > openedAt && atMs < openedAt + BREAKER_OPEN_MS,
          );
          expect(during).toEqual([]);
        }
      }),
      { numRuns: 50 },
    );
  });
});
