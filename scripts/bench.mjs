/** `npm run bench -- <name>`: runs `bench/<name>/run.mjs`; without a name, lists them. */
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { root, run, say, setUp } from "./lib.mjs";

setUp();
const [name, ...rest] = process.argv.slice(2);
const names = readdirSync(join(root, "bench"), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(join(root, "bench", entry.name, "run.mjs")))
  .map((entry) => entry.name);
if (!names.includes(name)) {
  say(`Usage: npm run bench -- <${names.join(" | ")}>`);
  process.exit(2);
}
mkdirSync(join(root, "bench/results"), { recursive: true });
process.exit(run(process.execPath, [join(root, "bench", name, "run.mjs"), ...rest]));
