/** `docs/healing.md` says of each symptom what the catalogue says. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { SYMPTOMS } from "./symptom-catalogue.js";

const page = readFileSync(new URL("../../../docs/healing.md", import.meta.url), "utf8");
const time = (ms: number) => (ms === 0 ? "at once" : `after ${ms / 1000} s`);

describe("the page of healing", () => {
  it("has a row for each symptom, and no other", () => {
    const expected = Object.entries(SYMPTOMS).map(
      ([kind, { severity, holdMs, clearMs, meaning }]) =>
        `| \`${kind}\` | ${severity} | ${time(holdMs)} | ${time(clearMs)} | ${meaning} |`,
    );
    const [, section = ""] = page.split("## Symptoms");
    const rows = section.split("## ")[0]?.match(/^\| `.*$/gm);
    expect(rows).toEqual(expected);
  });
});
