/**
 * `npm run bench -- transport [options]`: QWormhole beside what else moves messages between two
 * Node processes, all in one run.
 *
 *     --quick        fewer and shorter rounds, for development; not for publishing
 *     --only a,b     only these contenders and cases (names as in the output and in the JSON)
 *     --rounds N     rounds of the rates; default 5, with --quick 2
 *     --json FILE    raw results; default bench/results/transport.json
 *     --markdown     the tables as Markdown
 *     --profile DIR  each process of a contender writes a processor profile there (*.cpuprofile)
 *
 * How it measures. In each round every contender in turn has two new processes on loopback: a
 * listener and a dialler that sends. A case is warmed up for a while, which also finds the count
 * that fits the time, and then done once for the record; the time ends when the listener has told
 * that the last message came. The table shows medians over the rounds. All rounds are in the JSON,
 * with the load average and with what a message costs both sides in processor time.
 *
 * Who takes part. `qwormhole` by its usual API over mutual TLS 1.3, with all that it does for it
 * (identities, priorities, deadlines, liveness). `tls` and `net` are the bare socket of Node with
 * the least framing one can do (bare-side.mjs); `tls` with the same certificates is the yardstick.
 * The npm packages are used by their documented API, one call for one message, with the
 * back-pressure that they offer, and in plain text, as is their default; QWormhole encrypts.
 * `nats` goes through a broker (nats-server, left out by name when it is not on the PATH), as it
 * always does. A `ws` client must mask what it sends (RFC 6455): sent by its server instead, 1 KiB
 * messages are faster by half, those of 128 B are not. `qwormhole-link` is the lower API without
 * the convenience; it takes part only when named. Packages without streams have no bulk figure;
 * see their 64 KiB messages. The npm packages are installed on first use into
 * bench/transport/peers.
 *
 * Then come, for QWormhole alone: `memory` (10 million messages), `idle-links` (1,000 links at one
 * listener) and `slow-reader` (seven readers beside one that never reads). The marks stand in
 * marks.mjs. The exit status is 1 when a measurement failed, not when a mark was missed.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { testAuthority } from "../../packages/qwormhole/dist/testing/index.js";
import { brokerVersion, startBroker } from "./broker.mjs";
import { contenders, rateCases } from "./contenders.mjs";
import { measureIdleLinks } from "./idle-links.mjs";
import { installPeers, versionOf } from "./install-peers.mjs";
import { judge } from "./marks.mjs";
import { median } from "./measure.mjs";
import { measureMemory } from "./memory.mjs";
import { withPair } from "./rates.mjs";
import { asMarkdown, asText, markTable, rateTable } from "./report.mjs";
import { measureSlowReader } from "./slow-reader.mjs";

const results = join(dirname(fileURLToPath(import.meta.url)), "../results/transport.json");
const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    rounds: { type: "string" },
    json: { type: "string", default: results },
    markdown: { type: "boolean", default: false },
    profile: { type: "string" },
  },
});
const { quick } = options;
const rounds = Number(options.rounds ?? (quick ? 2 : 5));
const specialCases = [
  { id: "memory", measure: (settings) => measureMemory(settings, quick ? 1e6 : 1e7) },
  { id: "idle-links", measure: (settings) => measureIdleLinks(settings, quick ? 200 : 1000) },
  { id: "slow-reader", measure: (settings) => measureSlowReader(settings, quick ? 3 : 9) },
];
const say = (text) => process.stderr.write(`${text}\n`);

/** What `--only` leaves; without it, all but what must be asked for. */
function choose() {
  const wanted = options.only.split(",").filter((name) => name !== "");
  const names = contenders.map(({ name }) => name);
  const ids = [...rateCases, ...specialCases].map(({ id }) => id);
  const unknown = wanted.filter((name) => !names.includes(name) && !ids.includes(name));
  if (unknown.length > 0 || !Number.isInteger(rounds) || rounds < 1) {
    if (unknown.length > 0) say(`There is no ${unknown.join(", ")}.`);
    say(`--rounds is at least 1; --only takes\n  ${names.join(", ")}\n  ${ids.join(", ")}`);
    process.exit(2);
  }
  const someContender = wanted.some((name) => names.includes(name));
  const someCase = wanted.some((name) => ids.includes(name));
  const isIn = ({ id }) => !someCase || wanted.includes(id);
  const takesPart = someContender ? ({ name }) => wanted.includes(name) : (one) => !one.onRequest;
  const chosen = contenders.filter(takesPart);
  const ownCases = chosen.some(({ name }) => name === "qwormhole") ? specialCases : [];
  return { chosen, cases: rateCases.filter(isIn), special: ownCases.filter(isIn) };
}

function settingsOf(broker) {
  const authority = testAuthority();
  const profile = options.profile && ["--cpu-prof", "--cpu-prof-dir", resolve(options.profile)];
  return {
    credentials: {
      listener: authority.issue("bench listener").credentials,
      dialler: authority.issue("bench dialler").credentials,
    },
    broker,
    firstWarmUpSeconds: quick ? 0.3 : 0.6,
    warmUpSeconds: quick ? 0.1 : 0.2,
    seconds: quick ? 0.2 : 0.5,
    nodeArguments: profile ?? [],
  };
}

const failures = [];

async function attempt(what, work) {
  try {
    return await work();
  } catch (error) {
    failures.push({ what, error: error.stack });
    say(`  ${what} failed: ${error.message}`);
    return undefined;
  }
}

/**
 * One round: each contender in turn, with new processes, does all cases, and only these processes
 * are there. Another contender begins each round.
 */
async function measureRound({ chosen, cases }, settings, round) {
  const measured = [];
  const first = (round - 1) % chosen.length;
  for (const contender of [...chosen.slice(first), ...chosen.slice(0, first)]) {
    const { name, hasStreams } = contender;
    say(`round ${round} of ${rounds}: ${name}`);
    const own = cases.filter(({ needsStreams }) => hasStreams || !needsStreams);
    await attempt(`round ${round} of ${name}`, () =>
      withPair(contender, settings, async (pair) => {
        for (const item of own) {
          const load = loadavg()[0];
          const figures = await pair.measure(item);
          measured.push({ case: item.id, contender: name, round, load, ...figures });
        }
      }),
    );
  }
  return measured;
}

async function measureRates(plan, settings) {
  const measured = [];
  for (let round = 1; round <= rounds; round++) {
    measured.push(...(await measureRound(plan, settings, round)));
  }
  return measured;
}

/** By contender and case: a rate, MB/s for the bulk stream, or `{ p50, p99 }`. */
function mediansOf({ chosen, cases }, measured) {
  const medianOf = (name, { id, method, bytes }) => {
    const list = measured.filter((one) => one.contender === name && one.case === id);
    if (list.length === 0) return undefined;
    const of = (value) => median(list.map(({ result }) => value(result)));
    if (method === "roundTrips") return { p50: of(({ p50 }) => p50), p99: of(({ p99 }) => p99) };
    return method === "bulk" ? of((perSecond) => (perSecond * bytes) / 1e6) : of((rate) => rate);
  };
  return Object.fromEntries(
    chosen.map(({ name }) => [
      name,
      Object.fromEntries(cases.map((item) => [item.id, medianOf(name, item)])),
    ]),
  );
}

async function measureSpecial({ special }, settings) {
  const measured = {};
  for (const { id, measure } of special) {
    say(id);
    measured[id] = await attempt(id, () => measure(settings));
  }
  return measured;
}

/** Packages and broker for the contenders that need them; leaves out `nats` without its broker. */
async function prepare(plan) {
  const natsVersion = brokerVersion();
  const leftOut = [];
  if (natsVersion === undefined && plan.chosen.some(({ name }) => name === "nats")) {
    leftOut.push("nats is left out: nats-server is not on the PATH");
    plan.chosen = plan.chosen.filter(({ name }) => name !== "nats");
  }
  const packages = plan.chosen.filter(({ packageName }) => packageName !== undefined);
  if (packages.length > 0) installPeers(say);
  const versions = Object.fromEntries(
    packages.map(({ name, packageName }) => [name, versionOf(packageName)]),
  );
  const needsBroker = plan.chosen.some(({ name }) => name === "nats");
  if (needsBroker) versions["nats-server"] = natsVersion;
  return { versions, leftOut, broker: needsBroker ? await startBroker() : undefined };
}

function print(plan, medians, marks, { leftOut, versions, seconds }) {
  const show = options.markdown ? asMarkdown : asText;
  const parts = [];
  if (plan.cases.length > 0) {
    parts.push(show(rateTable(plan.cases, medians), { rightAligned: true }));
  }
  const judged = marks.filter(({ met }) => met !== undefined || options.only === "");
  if (judged.length > 0) parts.push(show(markTable(judged), { rightAligned: false }));
  const versionList = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  parts.push(
    `node ${process.version}, ${cpus().length} cores, ${cpus()[0]?.model}; ${rounds} rounds` +
      `${quick ? " (quick: not for publishing)" : ""}, ${Math.round(seconds)} s; load ` +
      `${loadAtStart[0]?.toFixed(1)} before; ${versionList.join(", ")}`,
    ...leftOut,
    ...[...new Set(failures.map(({ what }) => `FAILED: ${what}`))],
  );
  process.stdout.write(`${parts.join("\n\n")}\n`);
}

const loadAtStart = loadavg();
const plan = choose();
const begun = performance.now();
// So that the broker ends, too.
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));
const { versions, leftOut, broker } = await prepare(plan);
const settings = settingsOf(broker?.url);
const measured = await measureRates(plan, settings);
const special = await measureSpecial(plan, settings);
await broker?.stop();
const medians = mediansOf(plan, measured);
const marks = judge(medians, special);
const seconds = (performance.now() - begun) / 1000;
const facts = {
  node: process.version,
  openssl: process.versions.openssl,
  cores: cpus().length,
  processor: cpus()[0]?.model,
  versions,
  leftOut,
  rounds,
  quick,
  seconds,
  loadAtStart,
  loadAtEnd: loadavg(),
};
mkdirSync(dirname(resolve(options.json)), { recursive: true });
const everything = { ...facts, marks, medians, special, measured, failures };
writeFileSync(options.json, `${JSON.stringify(everything, undefined, 2)}\n`);
print(plan, medians, marks, { leftOut, versions, seconds });
process.exit(failures.length === 0 ? 0 : 1);
