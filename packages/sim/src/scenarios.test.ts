/** Plays the stories of `test/scenarios`. `UPDATE=1` records their output anew. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { formatScenario, parseScenario, recordScenario } from "./scenario-file.js";
import { createScenario } from "./scenario-runner.js";

const folder = fileURLToPath(new URL("../../../test/scenarios/", import.meta.url));
const names = readdirSync(folder).filter((name) => name.endsWith(".txt"));

describe("the scenarios", () => {
  it("are there", () => {
    expect(names.length).toBeGreaterThanOrEqual(6);
  });

  for (const name of names) {
    it(name, { timeout: 60_000 }, async () => {
      const text = readFileSync(`${folder}${name}`, "utf8");
      const scenario = createScenario();
      const parts = await recordScenario(parseScenario(text), (line) => scenario.execute(line));
      const recorded = formatScenario(parts);
      if (process.env.UPDATE === "1") writeFileSync(`${folder}${name}`, recorded);
      else expect(recorded).toBe(text);
    });
  }
});
