/**
 * `npm run bench -- membership [options]`: how soon a mesh knows who is gone and who is new, beside
 * Debian's serf (`apt-get install serf`; its service, if it starts one, is not used and takes the
 * port of membership on the machine itself). Needs root on Linux, for network namespaces.
 *
 *     --runs N       crashes and leaves; default 30
 *     --minutes N    of stalls and loss; default 10, 0 leaves it out
 *     --only a,b     of hearthmesh, serf, sim
 *     --sim          only the simulator
 *     --sizes a,b    nodes of the simulated meshes; default 10,100,1000
 *     --json FILE    raw results; default bench/results/membership.json
 *     --markdown     the tables as Markdown
 *
 * How it measures. Five machines (network namespaces) on one LAN, a daemon in each, profile `lan`.
 * A node is ended by SIGKILL, or loses its cable, or is asked to leave by SIGTERM (serf by SIGINT,
 * at which it leaves). The time runs from then until the last of the other four knows it. Of
 * Hearthmesh that is when neither `/mesh/peers` shows the node nor any way of `/mesh/routes` leads
 * to it or through it; a helper in each machine asks every 20 ms, so that much is added. Serf says
 * it in its log, which is read as it comes. Then the node starts again with its home (or has its
 * cable back), and the time runs from there until all others have it back. Any node may be the one,
 * the coordinator too. Both are measured at the same time, so that what else this computer does
 * disturbs both.
 *
 * False alarms: each machine loses 20 % of the datagrams that come to it (iptables), and every 4 s
 * one node stands still for 2 s (SIGSTOP). Nobody dies, so each node that anybody calls dead
 * counts.
 *
 * The simulator runs the machine of the daemon under a virtual clock: all nodes start at once and
 * know one; then comes what a quiet mesh sends, three crashes, and one more node.
 *
 * The exit status is 1 when a measurement failed, not when a mark was missed.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { MeshLab, whyNoLab } from "../../test/support/mesh-lab.mjs";
import { asMarkdown, asText, markTable } from "../transport/report.mjs";
import { contenderTable, judge, simulatedTable } from "./figures.mjs";
import { Hearthmesh } from "./hearthmesh.mjs";
import { measureAlarms, measureIdle, measureLosses } from "./measurements.mjs";
import { SerfAgents, serfVersion } from "./serf.mjs";
import { nowMs } from "./sightings.mjs";
import { simulate } from "./simulated.mjs";

const results = join(dirname(fileURLToPath(import.meta.url)), "../results/membership.json");
const MACHINES = ["one", "two", "three", "four", "five"];
const KNOWN = ["hearthmesh", "serf", "sim"];
const IDLE_SECONDS = 20;
const THERE_MS_MAX = 30_000;
/** One run without a cable for so many crashes. */
const UNPLUGGED_SHARE = 3;
const { values: options } = parseArgs({
  options: {
    runs: { type: "string", default: "30" },
    minutes: { type: "string", default: "10" },
    only: { type: "string", default: "" },
    sim: { type: "boolean", default: false },
    sizes: { type: "string", default: "10,100,1000" },
    json: { type: "string", default: results },
    markdown: { type: "boolean", default: false },
  },
});
const say = (text) => process.stderr.write(`${text}\n`);
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

/** Each contender has its own machines. */
async function withMachines(work) {
  const lab = await MeshLab.create();
  try {
    const lan = await lab.network.addLan();
    for (const name of MACHINES) await lab.machine(name, lan);
    return await work(lab, lan);
  } finally {
    await lab.close();
  }
}

/** One more machine: from `mesh join` with an invite until all others have a route to it. */
async function measureJoin(lab, lan) {
  const [first] = lab.machines;
  const newcomer = await lab.machine("six", lan);
  const others = lab.machines.filter((machine) => machine !== newcomer);
  const code = await lab.invite(first);
  const startMs = nowMs();
  await newcomer.cli(["join", "-", "--name", newcomer.name, "--no-start"], code);
  newcomer.start(["up", "--profile", "lan"]);
  const limits = { names: [newcomer.name], everyMs: 20, timeoutMs: THERE_MS_MAX };
  const times = await Promise.all(others.map(({ agent }) => agent.ask("untilThere", limits)));
  if (times.includes(null)) throw new Error("the new node was not seen by all in time");
  return Math.max(...times) - startMs;
}

function measureContender(make) {
  return withMachines(async (lab, lan) => {
    const contender = make(lab);
    const runs = Number(options.runs);
    const minutes = Number(options.minutes);
    const figures = {};
    const note = async (key, work) => {
      figures[key] = await attempt(`${contender.name}: ${key}`, work);
    };
    try {
      say(`${contender.name} starts`);
      await contender.start();
      await note("idle", () => measureIdle(contender, { seconds: IDLE_SECONDS }));
      await note("crash", () => measureLosses(contender, "crash", { runs, say }));
      // The slow ones: serf takes half a minute to try again.
      const unplugged = { runs: Math.ceil(runs / UNPLUGGED_SHARE), say };
      await note("unplug", () => measureLosses(contender, "unplug", unplugged));
      await note("leave", () => measureLosses(contender, "leave", { runs, say }));
      if (minutes > 0) await note("alarms", () => measureAlarms(contender, { minutes, say }));
      if (contender.name === "hearthmesh") await note("joinedMs", () => measureJoin(lab, lan));
      return figures;
    } finally {
      await contender.stop();
    }
  });
}

function choose() {
  const wanted = options.sim ? ["sim"] : options.only.split(",").filter((name) => name !== "");
  const unknown = wanted.filter((name) => !KNOWN.includes(name));
  if (unknown.length > 0 || !(Number(options.runs) >= 1) || !(Number(options.minutes) >= 0)) {
    say(`--only takes ${KNOWN.join(", ")}; --runs is at least 1, --minutes 0 or more`);
    process.exit(2);
  }
  return wanted.length === 0 ? KNOWN : wanted;
}

const begun = performance.now();
// So that the machines go, too.
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));
const loadAtStart = loadavg();
const chosen = choose();
const missing = whyNoLab();
const version = serfVersion();
const leftOut = [];
if (missing !== undefined && chosen.some((name) => name !== "sim")) {
  leftOut.push(`all but the simulator is left out: this machine ${missing}`);
}
const canDo = (name) => chosen.includes(name) && missing === undefined;
const hasSerf = canDo("serf") && version !== undefined;
if (canDo("serf") && !hasSerf) leftOut.push("serf is left out: it is not installed");
const contenders = {
  ...(canDo("hearthmesh") ? { hearthmesh: (lab) => new Hearthmesh(lab) } : {}),
  ...(hasSerf ? { serf: (lab) => new SerfAgents(lab) } : {}),
};
// At the same time: what else this computer does disturbs both.
const measured = await Promise.all(
  Object.entries(contenders).map(async ([name, make]) => [
    name,
    (await attempt(name, () => measureContender(make))) ?? {},
  ]),
);
const figures = Object.fromEntries(measured);
const simulated = [];
for (const nodes of chosen.includes("sim") ? options.sizes.split(",").map(Number) : []) {
  say(`simulating ${nodes} nodes`);
  const figure = await attempt(`${nodes} simulated nodes`, async () => simulate({ nodes }));
  if (figure !== undefined) simulated.push(figure);
}
const marks = judge(figures.hearthmesh, simulated);
const facts = {
  node: process.version,
  cores: cpus().length,
  processor: cpus()[0]?.model,
  serf: version,
  leftOut,
  runs: Number(options.runs),
  seconds: (performance.now() - begun) / 1000,
  loadAtStart,
  loadAtEnd: loadavg(),
};
mkdirSync(dirname(resolve(options.json)), { recursive: true });
const everything = { ...facts, marks, figures, simulated, failures };
writeFileSync(options.json, `${JSON.stringify(everything, undefined, 2)}\n`);
const show = options.markdown ? asMarkdown : asText;
const judged = marks.filter(({ met }) => met !== undefined || chosen.length === KNOWN.length);
const parts = [];
if (Object.keys(figures).length > 0) {
  parts.push(show(contenderTable(figures), { rightAligned: true }));
}
if (simulated.length > 0) parts.push(show(simulatedTable(simulated), { rightAligned: true }));
parts.push(
  show(markTable(judged), { rightAligned: false }),
  `node ${process.version}, ${cpus().length} cores, ${cpus()[0]?.model}; ${options.runs} runs, ` +
    `${Math.round(facts.seconds)} s; load ${loadAtStart[0]?.toFixed(1)} before` +
    `${figures.serf === undefined ? "" : `; serf ${version}`}`,
  ...leftOut,
  ...failures.map(({ what }) => `FAILED: ${what}`),
);
process.stdout.write(`${parts.join("\n\n")}\n`);
process.exit(failures.length === 0 ? 0 : 1);
