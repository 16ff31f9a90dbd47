/**
 * `npm run bench -- routing [options]`: what it costs to reach a service through the mesh, and
 * another node through a hub.
 *
 *     --quick        fewer and shorter rounds, for development; not for publishing
 *     --only NAME    `proxy` or `relay` alone
 *     --rounds N     default 5, with --quick 2
 *     --rate N       bytes a second of each machine's line for the relay; default 125,000,000,
 *                    which is 1 Gbit/s
 *     --json FILE    raw results; default bench/results/routing.json
 *     --markdown     the tables as Markdown
 *
 * proxy.mjs and relay.mjs say how they measure. All processes are on loopback, and all raw figures
 * are in the JSON with the load average at that time. The exit status is 1 when a measurement
 * failed, not when a mark was missed.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { asMarkdown, asText } from "../transport/report.mjs";
import { judgeProxy, measureProxy, proxyTable } from "./proxy.mjs";
import { measureRelay, relayMarks, relayTable } from "./relay.mjs";

const results = join(dirname(fileURLToPath(import.meta.url)), "../results/routing.json");
const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    rounds: { type: "string" },
    rate: { type: "string", default: "125000000" },
    json: { type: "string", default: results },
    markdown: { type: "boolean", default: false },
  },
});
const { quick, only } = options;
const rounds = Number(options.rounds ?? (quick ? 2 : 5));
const bytesPerSec = Number(options.rate);
const say = (text) => process.stderr.write(`${text}\n`);
const isKnown = only === undefined || only === "proxy" || only === "relay";
if (!isKnown || !Number.isInteger(rounds) || rounds < 1 || !(bytesPerSec >= 1)) {
  say("--only takes proxy or relay; --rounds and --rate are at least 1.");
  process.exit(2);
}

const loadAtStart = loadavg();
const begun = performance.now();
const marks = [];
const tables = [];
const measured = {};
if (only !== "relay") {
  const raw = await measureProxy({ rounds, quick, say });
  const judged = judgeProxy(raw);
  measured.proxy = { medians: judged.medians, measured: raw };
  tables.push(proxyTable(judged.medians));
  marks.push(...judged.marks);
}
if (only !== "proxy") {
  measured.relay = await measureRelay({ rounds, bytesPerSec, say });
  tables.push(relayTable(measured.relay));
  marks.push(...relayMarks(measured.relay));
}
const facts = {
  node: process.version,
  openssl: process.versions.openssl,
  cores: cpus().length,
  processor: cpus()[0]?.model,
  rounds,
  quick,
  seconds: (performance.now() - begun) / 1000,
  loadAtStart,
  loadAtEnd: loadavg(),
};
mkdirSync(dirname(resolve(options.json)), { recursive: true });
const everything = { ...facts, marks, ...measured };
writeFileSync(options.json, `${JSON.stringify(everything, undefined, 2)}\n`);

const markRows = marks.map((one) => [
  one.what,
  one.mark,
  one.measured.toFixed(2),
  one.met ? "yes" : "NO",
]);
const show = options.markdown ? asMarkdown : asText;
const parts = [
  ...tables.map((table) => show(table, { rightAligned: true })),
  show([["mark", "", "measured", "met"], ...markRows], { rightAligned: false }),
  `node ${process.version}, ${cpus().length} cores, ${cpus()[0]?.model}; ${rounds} rounds` +
    `${quick ? " (quick: not for publishing)" : ""}, ${Math.round(facts.seconds)} s; load ` +
    `${loadAtStart[0]?.toFixed(1)} before, ${facts.loadAtEnd[0]?.toFixed(1)} after`,
];
process.stdout.write(`${parts.join("\n\n")}\n`);
