import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  BREAKER_FAILURES,
  BREAKER_OPEN_MS,
  BREAKER_SUBJECTS,
  BREAKER_SUBJECTS_WINDOW_MS,
  BREAKERS_MAX,
} from "../limits.js";
import { node } from "../testing/ailing-world.js";
import type { UseOutcome } from "./circuit-breaker.js";
import { RemedyBreakers } from "./remedy-breakers.js";

const OFF = node("off");
const WELL = node("well");

interface Use {
  readonly subject: number;
  readonly outcome: UseOutcome;
  readonly afterMs: number;
}

const use: fc.Arbitrary<Use> = fc.record({
  subject: fc.nat(7),
  outcome: fc.constantFrom<UseOutcome>("failed", "failed", "failed", "unseen", "helped"),
  afterMs: fc.constantFrom(0, 1_000, 60_000, BREAKER_OPEN_MS),
});
const uses = fc.array(use, { maxLength: 60 });

/** Uses it as far as it may; returns when it failed, for whom. */
function play(breakers: RemedyBreakers, actions: readonly Use[]) {
  let nowMs = 0;
  const failed: { subject: number; atMs: number }[] = [];
  const used: { subject: number; atMs: number; outcome: UseOutcome }[] = [];
  for (const { subject, outcome, afterMs } of actions) {
    nowMs += afterMs;
    const whom = node(String(subject));
    if (breakers.whyNot("redial", whom, nowMs) !== undefined) continue;
    breakers.begin("redial", whom, nowMs);
    breakers.judge("redial", whom, outcome, nowMs);
    used.push({ subject, atMs: nowMs, outcome });
    if (outcome === "failed") failed.push({ subject, atMs: nowMs });
  }
  return { nowMs, failed, used };
}

describe("the breakers of remedies", () => {
  it("let a machine that is switched off end redial for itself alone", () => {
    const breakers = new RemedyBreakers();
    for (let hour = 0; hour < 50; hour++) {
      breakers.judge("redial", OFF, "failed", hour * 1_000);
    }
    const nowMs = 50_000;
    expect(breakers.whyNot("redial", OFF, nowMs)).toContain("50 times in a row for node off");
    expect(breakers.whyNot("redial", WELL, nowMs)).toBeUndefined();
    expect(breakers.whyNot("re-route", OFF, nowMs)).toBeUndefined();
    expect(breakers.state("redial", nowMs)).toBe("closed");
    expect(breakers.suspended(nowMs)).toEqual([
      { remedy: "redial", subject: OFF, failures: 50, forMs: BREAKER_OPEN_MS - 1_000 },
    ]);
  });

  it("stop a remedy that fails everywhere, name where, and try it once more later", () => {
    const breakers = new RemedyBreakers();
    for (let one = 0; one < BREAKER_SUBJECTS; one++) {
      expect(breakers.whyNot("redial", WELL, one)).toBeUndefined();
      breakers.judge("redial", node(`n${one}`), "failed", one);
    }
    expect(breakers.whyNot("redial", WELL, 10)).toContain(
      "it failed for node n0, node n1, node n2, node n3, node n4 ",
    );
    expect(breakers.state("redial", 10)).toBe("open");
    const laterMs = BREAKER_OPEN_MS + BREAKER_SUBJECTS;
    expect(breakers.whyNot("redial", WELL, laterMs)).toBeUndefined();
    breakers.begin("redial", WELL, laterMs);
    expect(breakers.whyNot("redial", OFF, laterMs)).toContain("being tried again");
    breakers.judge("redial", WELL, "unseen", laterMs);
    expect(breakers.whyNot("redial", OFF, laterMs)).toBeUndefined();
    breakers.begin("redial", OFF, laterMs);
    breakers.judge("redial", OFF, "failed", laterMs);
    expect(breakers.whyNot("redial", WELL, laterMs + BREAKER_OPEN_MS - 1)).toBeDefined();
    breakers.judge("redial", WELL, "helped", laterMs);
    expect(breakers.whyNot("redial", OFF, laterMs)).toBeUndefined();
  });

  it("count what failed long ago no more", () => {
    const breakers = new RemedyBreakers();
    for (let one = 0; one < 3 * BREAKER_SUBJECTS; one++) {
      breakers.judge("redial", node(`n${one}`), "failed", one * BREAKER_SUBJECTS_WINDOW_MS);
    }
    expect(breakers.state("redial", 3 * BREAKER_SUBJECTS * BREAKER_SUBJECTS_WINDOW_MS)).toBe(
      "closed",
    );
  });

  it("never bar a subject for the failures of another, whatever happens", () => {
    fc.assert(
      fc.property(uses, fc.nat(BREAKER_SUBJECTS - 2), (actions, most) => {
        const breakers = new RemedyBreakers();
        const few = actions.map((one) => ({ ...one, subject: one.subject % (most + 1) }));
        const { nowMs } = play(breakers, few);
        expect(breakers.whyNot("redial", WELL, nowMs)).toBeUndefined();
      }),
    );
  });

  it("never use a remedy again so soon after so many failures, whatever happens", () => {
    fc.assert(
      fc.property(uses, (actions) => {
        const { used } = play(new RemedyBreakers(), actions);
        const inARow = new Map<number, number>();
        let failedFor = new Map<number, number>();
        let restsUntilMs = 0;
        const untilMs = new Map<number, number>();
        for (const { subject, atMs, outcome } of used) {
          expect(atMs).toBeGreaterThanOrEqual(Math.max(restsUntilMs, untilMs.get(subject) ?? 0));
          if (outcome === "helped") {
            inARow.delete(subject);
            failedFor = new Map();
          }
          if (outcome !== "failed") continue;
          inARow.set(subject, (inARow.get(subject) ?? 0) + 1);
          failedFor.set(subject, atMs);
          const recent = [...failedFor.values()].filter(
            (at) => atMs - at < BREAKER_SUBJECTS_WINDOW_MS,
          );
          if ((inARow.get(subject) ?? 0) >= BREAKER_FAILURES) {
            untilMs.set(subject, atMs + BREAKER_OPEN_MS);
          }
          if (recent.length >= BREAKER_SUBJECTS) restsUntilMs = atMs + BREAKER_OPEN_MS;
        }
      }),
    );
  });

  it("judge the same after they were kept and read again, but for a test under way", () => {
    fc.assert(
      fc.property(uses, uses, (before, after) => {
        const breakers = new RemedyBreakers();
        play(breakers, before);
        const read = new RemedyBreakers();
        read.restore(structuredClone(breakers.snapshot()));
        expect(read.snapshot()).toEqual(breakers.snapshot());
        expect(play(read, after).used).toEqual(play(breakers, after).used);
      }),
    );
  });

  it("remember so many subjects and no more, the newest ones", () => {
    const breakers = new RemedyBreakers();
    for (let one = 0; one < BREAKERS_MAX + 10; one++) {
      for (let time = 0; time < BREAKER_FAILURES; time++) {
        breakers.judge("redial", node(`n${one}`), "failed", one);
      }
    }
    const { subjects } = breakers.snapshot();
    expect(subjects).toHaveLength(BREAKERS_MAX);
    expect(subjects.at(-1)?.subject.id).toBe(node(`n${BREAKERS_MAX + 9}`).id);
  });
});
