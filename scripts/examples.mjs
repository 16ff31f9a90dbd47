/**
 * `npm run examples -- <name> [scene ...]`: plays the scenes of `examples/<name>` with real
 * processes on loopback, or only those that are named. Without a name, lists what there is.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root, runTool, say, setUp } from "./lib.mjs";

const folderOf = (name) => join(root, "examples", name);
const load = (name, file) => import(pathToFileURL(join(folderOf(name), file)).href);

const [name, ...wanted] = process.argv.slice(2);
const names = readdirSync(join(root, "examples")).filter((each) =>
  existsSync(join(folderOf(each), "scenes.mjs")),
);
if (name === undefined || !names.includes(name)) {
  say("Usage: npm run examples -- <name> [scene ...]");
  for (const each of names) {
    const { scenes } = await load(each, "scenes.mjs");
    say(`  ${each}: ${scenes.map((scene) => scene.name).join(", ")}`);
  }
  process.exit(name === undefined ? 0 : 2);
}
const { scenes } = await load(name, "scenes.mjs");
const unknown = wanted.find((each) => !scenes.some((scene) => scene.name === each));
if (unknown !== undefined) {
  say(`There is no scene ${unknown}; there are ${scenes.map((scene) => scene.name).join(", ")}`);
  process.exit(2);
}

setUp();
if (runTool("typescript", ["-b", folderOf(name)]) !== 0) process.exit(1);
// What runs ends with this process, see `playScene`.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));

const { playScene } = await load(name, "stage.mjs");
const chosen = wanted.length === 0 ? scenes : scenes.filter((each) => wanted.includes(each.name));
const results = [];
for (const scene of chosen) {
  say(`\n== ${scene.name}`);
  const startedMs = performance.now();
  let error;
  try {
    await playScene(scene, say);
  } catch (cause) {
    error = cause;
  }
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const result = `${error === undefined ? "ok    " : "FAILED"} ${scene.name} (${seconds} s)`;
  say(result);
  if (error !== undefined) say(`       ${error.message}`);
  results.push({ result, isOk: error === undefined });
}
say(`\n${results.map(({ result }) => result).join("\n")}`);
process.exit(results.every(({ isOk }) => isOk) ? 0 : 1);
