/**
 * `npm run bench -- healing [options]`: how soon faults are detected, decided upon, mended and
 * verified. Needs root on Linux, for network namespaces; `process` needs etcd
 * (`apt-get install etcd-server`).
 *
 *     --runs N       of each fault; default 30
 *     --minutes N    of a busy but healthy mesh, in which nothing may be mended; default 10
 *     --only a,b     of crash, process, partition, replicas, quiet
 *     --json FILE    raw results; default bench/results/healing.json
 *     --markdown     the tables as Markdown
 *
 * How it measures. Four machines (network namespaces) on one LAN, a daemon in each, profile `lan`;
 * the first one coordinates, all keep chunks. `detected`, `decided`, `mended` and `verified` are
 * those of the incident that the healer wrote, counted from the fault itself; `outside` is what a
 * client of the mesh measured, who knows nothing of the healer:
 *
 * - crash: SIGKILL of the node that serves a service which another one offers too; outside: until a
 *   client at the first node is answered again. Then the node is started: until all four see each
 *   other.
 * - process: SIGKILL of the supervised etcd that has run for 10 s; outside: until a key is written
 *   again.
 * - partition: the cable of a node is out for 8 s; outside: from the moment that it is back until
 *   all four see each other.
 * - replicas: SIGKILL of a storage node, which is declared lost after 5 s here instead of 15 min;
 *   outside: from the declaration until the first chunk has been copied. A new mesh after 10 runs:
 *   more in a row meet the healer's budget of remedies.
 *
 * The exit status is 1 when a measurement failed, not when a mark was missed.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { whyNoLab } from "../../test/support/mesh-lab.mjs";
import { asMarkdown, asText, markTable } from "../transport/report.mjs";
import { measureCrash, measurePartition, measureProcess } from "./faults.mjs";
import { faultTable, judge } from "./figures.mjs";
import { measureQuiet } from "./quiet.mjs";
import { measureReplicas } from "./replicas.mjs";

const results = join(dirname(fileURLToPath(import.meta.url)), "../results/healing.json");
const MEASUREMENTS = {
  crash: measureCrash,
  process: measureProcess,
  partition: measurePartition,
  replicas: measureReplicas,
  quiet: measureQuiet,
};
const { values: options } = parseArgs({
  options: {
    runs: { type: "string", default: "30" },
    minutes: { type: "string", default: "10" },
    only: { type: "string", default: "" },
    json: { type: "string", default: results },
    markdown: { type: "boolean", default: false },
  },
});
const say = (text) => process.stderr.write(`${text}\n`);
const [runs, minutes] = [Number(options.runs), Number(options.minutes)];
const wanted = options.only === "" ? Object.keys(MEASUREMENTS) : options.only.split(",");
const unknown = wanted.filter((name) => !Object.hasOwn(MEASUREMENTS, name));
if (unknown.length > 0 || !Number.isInteger(runs) || runs < 1 || !(minutes >= 0)) {
  say(`--only takes ${Object.keys(MEASUREMENTS).join(", ")}; --runs is 1 or more`);
  process.exit(2);
}
const reason = whyNoLab();
if (reason !== undefined) {
  say(`The bench of healing ${reason}.`);
  process.exit(2);
}

const loadAtStart = loadavg();
const beganMs = performance.now();
const figures = {};
const failures = [];
for (const name of wanted) {
  try {
    figures[name] = await MEASUREMENTS[name]({ runs, minutes, say });
  } catch (error) {
    failures.push({ name, error: error.stack });
    say(`${name} failed: ${error.message}`);
  }
}
const marks = judge(figures);
const facts = {
  node: process.version,
  cores: cpus().length,
  processor: cpus()[0]?.model,
  seconds: (performance.now() - beganMs) / 1000,
  ...{ runs, minutes, loadAtStart, loadAtEnd: loadavg() },
};
mkdirSync(dirname(resolve(options.json)), { recursive: true });
const everything = { ...facts, marks, failures, figures };
writeFileSync(options.json, `${JSON.stringify(everything, undefined, 2)}\n`);
const print = options.markdown ? asMarkdown : asText;
say(`\n${print(faultTable(figures), { rightAligned: true })}`);
say(`\n${print(markTable(marks), { rightAligned: false })}`);
say(`\n${facts.processor}, ${facts.cores} cores, Node ${facts.node}; ${resolve(options.json)}`);
process.exit(failures.length > 0 ? 1 : 0);
