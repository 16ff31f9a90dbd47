/** `npm run check`: format, lint, types, layer rules, unused code, docs, unit tests. */
import { join } from "node:path";
import { root, run, runTool, say, setUp } from "./lib.mjs";

setUp();
const steps = [
  ["format and lint", () => runTool("@biomejs/biome", ["ci", "--error-on-warnings", "."])],
  ["types of tests", () => runTool("typescript", ["-p", "tsconfig.test.json"])],
  ["layer rules", () => runScript("layers.mjs")],
  ["unused code", () => runTool("knip", ["--no-progress"])],
  ["docs are fresh", () => runScript("docs.mjs", "--check")],
  ["unit tests", () => runScript("test.mjs", "--project", "unit")],
];

function runScript(script, ...args) {
  return run(process.execPath, [join(root, "scripts", script), ...args]);
}

const failed = [];
for (const [name, step] of steps) {
  say(`\n== ${name}`);
  if (step() !== 0) failed.push(name);
}
say(failed.length === 0 ? "\ncheck: all is well" : `\ncheck failed: ${failed.join(", ")}`);
process.exit(failed.length === 0 ? 0 : 1);
