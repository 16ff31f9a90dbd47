import { describe, expect, it } from "vitest";
import type { Fact, Verdict } from "../fact.js";
import { EVIDENCE_MAX } from "../limits.js";
import { symptomKey } from "../symptom.js";
import { node } from "../testing/ailing-world.js";
import { FactTable } from "./fact-table.js";

const B = node("b");
/** Holds for 10 s, is over after 5 s. */
const KIND = "service-failing";
const KEY = symptomKey({ kind: KIND, subject: B });

function fact(verdict: Verdict, evidence: string = verdict): Fact {
  return { symptom: KIND, subject: B, verdict, evidence };
}

/** One look a second, each with the verdict of one letter; `-` tells nothing, `!` fails. */
function openAfter(verdicts: string): boolean[] {
  const table = new FactTable();
  return [...verdicts].map((letter, second) => {
    const told = { i: "ill", w: "well", u: "unknown" } as const;
    const verdict = told[letter as keyof typeof told];
    const facts = verdict === undefined ? [] : [fact(verdict)];
    const failure = letter === "!" ? { failure: "no answer" } : {};
    table.take({ monitor: "m", facts, ...failure }, second * 1_000, 0);
    return table.get(KEY)?.isOpen ?? false;
  });
}

describe("FactTable", () => {
  it("opens after the hold time, and not before", () => {
    expect(openAfter("i".repeat(10)).includes(true)).toBe(false);
    expect(openAfter("i".repeat(11)).at(-1)).toBe(true);
  });

  it("begins the hold time anew after a look that was well, or that saw nothing", () => {
    for (const gap of ["w", "u", "!"]) {
      expect(openAfter(`${"i".repeat(9)}${gap}${"i".repeat(10)}`).includes(true)).toBe(false);
    }
  });

  it("closes after the clear time, and not before", () => {
    const open = "i".repeat(11);
    expect(openAfter(`${open}${"w".repeat(5)}`).at(-1)).toBe(true);
    expect(openAfter(`${open}${"w".repeat(6)}`).at(-1)).toBe(false);
    expect(openAfter(`${open}wwwiwwwww`).at(-1)).toBe(true);
  });

  it("neither opens nor closes on what nobody could see", () => {
    expect(openAfter("u".repeat(60)).includes(true)).toBe(false);
    for (const blind of ["u", "!"]) {
      const seen = openAfter(`${"i".repeat(11)}${blind.repeat(60)}`);
      expect(seen.slice(10).every(Boolean)).toBe(true);
    }
  });

  it("forgets a subject that its monitor leaves out", () => {
    const table = new FactTable();
    table.take({ monitor: "m", facts: [fact("ill")] }, 0, 0);
    table.take({ monitor: "m", facts: [] }, 1_000, 0);
    expect(table.get(KEY)).toBeUndefined();
  });

  it("believes the one of two monitors that says ill", () => {
    const table = new FactTable();
    const look = (atMs: number, one: Verdict, other: Verdict) => {
      table.take({ monitor: "one", facts: [fact(one)] }, atMs, 0);
      table.take({ monitor: "other", facts: [fact(other)] }, atMs, 0);
    };
    look(0, "well", "ill");
    expect(table.get(KEY)?.verdict).toBe("ill");
    look(10_000, "well", "ill");
    expect(table.get(KEY)?.isOpen).toBe(true);
    look(20_000, "well", "unknown");
    look(30_000, "well", "unknown");
    expect(table.get(KEY)?.isOpen).toBe(true);
  });

  it("keeps the first and the newest evidence", () => {
    const table = new FactTable();
    for (let count = 0; count < 50; count++) {
      table.take({ monitor: "m", facts: [fact("ill", `sign ${count}`)] }, count, 0);
    }
    const texts = table.get(KEY)?.symptom.evidence.map(({ text }) => text);
    expect(texts).toHaveLength(EVIDENCE_MAX);
    expect(texts?.[0]).toBe("sign 0");
    expect(texts?.at(-1)).toBe("sign 49");
  });

  it("takes the hold time that a fact names instead of the catalogue's", () => {
    const table = new FactTable();
    const quick = { ...fact("ill"), holdMs: 0 };
    table.take({ monitor: "m", facts: [quick] }, 0, 0);
    expect(table.get(KEY)?.isOpen).toBe(true);
  });
});
