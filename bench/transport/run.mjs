/**
 * `npm run bench -- transport [--quick] [--only TEXT] [--rounds N] [--json FILE]`
 *
 * A link over mutual TLS 1.3 beside a bare TLS socket that does the least (`bare-side.mjs`):
 * one-way messages, a bulk stream, 64 requests deep, and single round trips. Each measurement has
 * two fresh processes on loopback and a warm-up; rounds alternate between the two contenders; the
 * median counts. It runs the built packages.
 */
import { fork } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { testAuthority } from "../../packages/qwormhole/dist/testing/index.js";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    rounds: { type: "string" },
    json: { type: "string" },
  },
});
const scale = values.quick ? 0.2 : 1;
const rounds = Number(values.rounds ?? (values.quick ? 3 : 5));

/** `floor` bounds link/bare from below, `ceiling` from above; `mark` is in the unit of the row. */
const cases = [
  { name: "128 B messages/s", method: "messages", args: [128, 2_000_000], mark: 1_500_000 },
  { name: "1 KiB messages/s", method: "messages", args: [1024, 1_000_000], mark: 450_000 },
  { name: "16 KiB messages/s", method: "messages", args: [16_384, 60_000] },
  { name: "64 KiB messages/s", method: "messages", args: [65_536, 15_000] },
  { name: "bulk stream MB/s", method: "bulk", args: [262_144, 4096], floor: 0.9 },
  { name: "64-deep requests/s", method: "pipelined", args: [128, 500_000], mark: 400_000 },
  { name: "round trip us", method: "roundTrips", args: [128, 20_000], ceiling: 1.5 },
];

const authority = testAuthority();
const serverCredentials = authority.issue("bench-server").credentials;
const clientCredentials = authority.issue("bench-client").credentials;

function start(message) {
  const child = fork(fileURLToPath(new URL("./contender.mjs", import.meta.url)));
  child.send(message);
  const answer = new Promise((resolve, reject) => {
    child.once("message", resolve);
    child.once("exit", (code) => reject(new Error(`a bench process ended with ${code}`)));
  });
  return { child, answer };
}

async function measure(contender, { method, args: [bytes, count] }) {
  const server = start({ role: "serve", contender, credentials: serverCredentials });
  const port = await server.answer;
  const args = [bytes, Math.round(count * scale)];
  const credentials = clientCredentials;
  const runner = start({ role: "run", contender, credentials, port, method, args });
  try {
    return (await runner.answer).result;
  } finally {
    for (const { child } of [runner, server]) child.disconnect();
  }
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[(numbers.length - 1) >> 1];

/** Rows of one case: one, or the median and the 99th percentile of round trips. */
function rowsOf({ name, mark, floor, ceiling }, results) {
  const parts = Array.isArray(results.link[0]) ? [" p50", " p99"] : [""];
  return parts.map((part, index) => {
    const of = (list) => median(list.map((value) => (part === "" ? value : value[index])));
    const bare = of(results.bare);
    const link = of(results.link);
    const row = { name: name + part, bare, link, ratio: link / bare };
    if (index > 0) return row;
    if (mark !== undefined) return { ...row, mark: `>= ${number(mark)}`, met: link >= mark };
    if (floor !== undefined) return { ...row, mark: `>= ${floor} x`, met: row.ratio >= floor };
    if (ceiling === undefined) return row;
    return { ...row, mark: `<= ${ceiling} x`, met: row.ratio <= ceiling };
  });
}

const number = (value) => value.toLocaleString("en", { maximumFractionDigits: 0 });

const report = [];
const line = (columns) => columns.map((text, at) => (at ? text.padStart(13) : text.padEnd(20)));
console.log(line(["what", "bare TLS", "link", "link/bare", "mark", "met"]).join(""));
for (const item of cases.filter(({ name }) => name.includes(values.only))) {
  const results = { bare: [], link: [] };
  for (let round = 0; round < rounds; round++) {
    for (const contender of ["bare", "link"]) {
      results[contender].push(await measure(contender, item));
    }
  }
  for (const row of rowsOf(item, results)) {
    report.push({ ...row, results });
    const met = row.met === undefined ? "" : row.met ? "yes" : "NO";
    const texts = [row.name, number(row.bare), number(row.link), row.ratio.toFixed(2)];
    console.log(line([...texts, row.mark ?? "", met]).join(""));
  }
}
const load = loadavg()[0]?.toFixed(1);
console.log(`node ${process.version}, ${cpus().length} cores, load ${load}, ${rounds} rounds`);
if (values.json !== undefined) {
  const facts = { node: process.version, cores: cpus().length, load: loadavg(), rounds, scale };
  writeFileSync(values.json, `${JSON.stringify({ ...facts, report }, undefined, 2)}\n`);
}
