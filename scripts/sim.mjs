/** `npm run sim -- --seed N`: builds what is missing and runs the simulator. */
import { join } from "node:path";
import { root, run, setUp } from "./lib.mjs";

setUp();
const main = join(root, "packages", "sim", "dist", "main.js");
process.exit(run(process.execPath, [main, ...process.argv.slice(2)]));
