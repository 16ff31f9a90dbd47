/** `npm run history`: records a history of the store under faults, checks it, or checks a file. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { CommandLine } from "./command-line.mjs";
import { root, say, setUp } from "./lib.mjs";

const USAGE = `Usage: npm run history -- [options]

  --engine NAME    sqlite (default), etcd or memory
  --seconds N      how long to record; 1 to 3600, default 20
  --faults LIST    with commas: kill, pause, partition, disk, clock; or none (default)
  --seed N         of the choices; a new one by default
  --output FILE    where the history goes; default .cache/history-ENGINE-SEED.jsonl
  --check FILE     records nothing: checks that history
  --json           the verdict as one line of JSON
  --help           this text

The history is JSON lines (docs/histories.md). It ends with 0 when the history is linearizable,
with 1 when it is not, with 3 when that could not be decided, and with 2 when it cannot run.
`;
const EXITS = { linearizable: 0, violation: 1, unknown: 3 };
const SECONDS_MAX = 3600;
const SEEDS = 2 ** 31;

const line = new CommandLine(USAGE);
const text = { type: "string" };
const options = line.read({
  engine: { ...text, default: "sqlite" },
  seconds: { ...text, default: "20" },
  faults: { ...text, default: "none" },
  seed: text,
  output: text,
  check: text,
  json: { type: "boolean", default: false },
});
setUp();
const { FAULTS_OF, record, whyNoRecording } = await import(
  pathToFileURL(join(root, "test/histories/record.mjs"))
);
const { checkHistory, readHistory, reportLines, writeHistory } = await import(
  "@hearthmesh/store/testing"
);

/** What was asked for, within its bounds. */
function plan() {
  const { engine } = options;
  const possible = FAULTS_OF[engine] ?? line.refuse(`there is no engine ${engine}`);
  const faults = options.faults.split(",").filter((name) => name !== "none" && name !== "");
  const other = faults.find((name) => !possible.includes(name));
  if (other !== undefined)
    line.refuse(`${engine} has the faults ${possible.join(", ")}, not ${other}`);
  const seconds = Number(options.seconds);
  if (!(seconds >= 1 && seconds <= SECONDS_MAX)) line.refuse(`--seconds is 1 to ${SECONDS_MAX}`);
  const seed = Number(options.seed ?? Math.floor(Math.random() * SEEDS));
  if (!Number.isSafeInteger(seed) || seed < 0 || seed >= SEEDS) {
    line.refuse(`--seed is a whole number below ${SEEDS}`);
  }
  const missing = whyNoRecording(engine, faults);
  if (missing !== undefined) line.refuse(`this machine cannot record that: ${missing}`);
  return { engine, faults, seconds, seed };
}

async function recordOne() {
  const planned = plan();
  const name = `history-${planned.engine}-${planned.seed}.jsonl`;
  const path = options.output ?? join(root, ".cache", name);
  const told = options.json ? () => {} : say;
  told(`recording ${planned.engine} for ${planned.seconds} s, seed ${planned.seed} ...`);
  const history = await record({ ...planned, say: told });
  await writeHistory(path, history);
  told(`${history.events.length} events in ${path}`);
  return history;
}

process.once("SIGINT", () => process.exit(2));
try {
  const history = await (options.check === undefined ? recordOne() : readHistory(options.check));
  const report = checkHistory(history, { nowMs: () => performance.now() });
  const { verdict, problemsFound, counts } = report;
  if (options.json) say(JSON.stringify({ verdict, problemsFound, ...counts }));
  else say(reportLines(history, report).join("\n"));
  process.exitCode = EXITS[verdict];
} catch (error) {
  say(error.code === undefined ? error.stack : `${error.code}: ${error.message}`);
  process.exitCode = 2;
}
