/** `npm run trial`: random operations on real processes under faults, checked against a model. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { CommandLine } from "./command-line.mjs";
import { root, say, setUp } from "./lib.mjs";

const USAGE = `Usage: npm run trial -- [options]

  --operations N   of all people together; default 10000
  --clients N      people, each with a directory of their own; default 8
  --faults LIST    with commas: kill, pause, bytes; or none. Default: all of them
  --seed TEXT      of the choices; a new one by default
  --verbose        every operation as it happens
  --help           this text

A coordinator and three storage nodes run as processes of their own on loopback. Ends with 0 when
every answer was right and every acknowledged file is there at the end, else with 1.
`;

const line = new CommandLine(USAGE);
const text = { type: "string" };
const options = line.read({
  operations: { ...text, default: "10000" },
  clients: { ...text, default: "8" },
  faults: { ...text, default: "kill,pause,bytes" },
  seed: { ...text, default: String(Date.now()) },
  verbose: { type: "boolean", default: false },
});
setUp();
const load = (path) => import(pathToFileURL(join(root, path)));
const { FAULTS } = await load("test/trial/trial-faults.mjs");
const { runTrial } = await load("test/trial/run-trial.mjs");
const faults = options.faults === "none" ? [] : options.faults.split(",");
const unknown = faults.find((fault) => !FAULTS.includes(fault));
if (unknown !== undefined) line.refuse(`--faults: there is no ${JSON.stringify(unknown)}`);
const numbers = { operations: Number(options.operations), clients: Number(options.clients) };
if (!(numbers.operations >= 1 && numbers.clients >= 1 && numbers.clients <= 64)) {
  line.refuse("--operations and --clients are numbers: at least 1, and at most 64 clients");
}
say(`seed ${options.seed}: ${numbers.operations} operations of ${numbers.clients} people`);
const onLine = options.verbose ? say : (told) => / fault |VIOLATION/.test(told) && say(told);
const result = await runTrial({ ...numbers, faults, seed: options.seed, onLine });
const { violations, seconds, ...rest } = result;
say(`${JSON.stringify(rest)} in ${seconds.toFixed(1)} s`);
for (const violation of violations) say(`violation: ${violation}`);
say(violations.length === 0 ? "all is as it must be" : `again: --seed ${options.seed}`);
process.exit(violations.length === 0 ? 0 : 1);
