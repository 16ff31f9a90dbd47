/**
 * `npm run loadtest -- --users 100 --spawn-rate 10`: guide 4's load test. Without `--host` it
 * starts the guide's three nodes on this machine, and stops them at the end. It ends with 1 when a
 * request failed; a figure of the guide that is not met is shown, and is no failure: machines
 * differ.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asText } from "../bench/transport/report.mjs";
import { CommandLine } from "./command-line.mjs";
import { say, setUp } from "./lib.mjs";
import { runLoad } from "./load/load.mjs";
import { startThreeNodes } from "./three-nodes.mjs";

const USAGE = `Use: npm run loadtest -- [options]

  --users N         users at the same time, each with one request at a time; default 100
  --spawn-rate N    users that come a second; default 10
  --run-time S      seconds that are measured once all users are there; default 20
  --wait-ms N       pause of a user after each answer; default 0
  --host URL        a node, such as http://localhost:8000; may be given several times.
                    Without it, three nodes are started on this machine.`;

/** Guide 4, "Performance Benchmarks". */
const EXPECTED = { p50Ms: 50, p95Ms: 200, p99Ms: 500, requestsPerSecondOfNode: 500 };

/** A node that has not answered by then is none to measure. */
const ANSWER_MS = 10_000;

const commandLine = new CommandLine(USAGE);
const options = commandLine.read({
  users: { type: "string", default: "100" },
  "spawn-rate": { type: "string", default: "10" },
  "run-time": { type: "string", default: "20" },
  "wait-ms": { type: "string", default: "0" },
  host: { type: "string", multiple: true, default: [] },
});
const numberOf = (name, least, most) => {
  const value = Number(options[name]);
  if (value >= least && value <= most) return value;
  return commandLine.refuse(`--${name} is a number from ${least} to ${most}`);
};
const load = {
  users: numberOf("users", 1, 10_000),
  spawnPerSecond: numberOf("spawn-rate", 0.1, 10_000),
  seconds: numberOf("run-time", 1, 86_400),
  waitMs: numberOf("wait-ms", 0, 60_000),
};
const given = options.host.map((text) => {
  if (URL.canParse(text) && text.startsWith("http://")) return new URL(text);
  return commandLine.refuse(`--host ${text} is not of the form http://localhost:8000`);
});
const hosts = given.map((url) => Object.assign(url, { port: url.port || "80" }));

const ms = (value) => (value === undefined ? "-" : value.toFixed(1));

function show({ rows }, nodes) {
  const table = [
    ["", "requests", "failed", "p50 ms", "p95 ms", "p99 ms", "max ms", "per second"],
    ...rows.map((row) => [
      ...[row.name, String(row.requests), String(row.failures)],
      ...[ms(row.p50Ms), ms(row.p95Ms), ms(row.p99Ms), ms(row.maxMs)],
      row.requestsPerSecond.toFixed(0),
    ]),
  ];
  say(asText(table, { rightAligned: true }));
  const all = rows.at(-1);
  const perNode = all.requestsPerSecond / nodes;
  const below = (name, text) => [
    text,
    `< ${EXPECTED[name]} ms`,
    `${ms(all[name])} ms`,
    all[name] < EXPECTED[name] ? "yes" : "NO",
  ];
  const comparison = [
    ["", "the guide", "here", "met"],
    below("p50Ms", "p50 latency"),
    below("p95Ms", "p95 latency"),
    below("p99Ms", "p99 latency"),
    [
      ...["requests a second of a node", `~${EXPECTED.requestsPerSecondOfNode}`],
      ...[perNode.toFixed(0), perNode >= EXPECTED.requestsPerSecondOfNode ? "yes" : "NO"],
    ],
  ];
  say(`\n${asText(comparison, { rightAligned: false })}`);
}

/** Why it makes no sense to measure there; undefined for a node that shows what will be asked. */
async function whyNotReady(host) {
  try {
    const answer = await fetch(new URL("/mesh/peers", host), {
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    if (answer.status === 200) return undefined;
    const words = `${host.origin} answers /mesh/peers with ${answer.status}`;
    if (![401, 403].includes(answer.status)) return `${words}: is it a node of the mesh?`;
    return `${words}: run this on the node's own machine, which needs no API key`;
  } catch (error) {
    const reason = error.cause?.code ?? error.cause?.message ?? error.name;
    return `${host.origin} does not answer (${reason}): start the mesh, or name another --host`;
  }
}

async function main() {
  if (hosts.length > 0) {
    const [why] = (await Promise.all(hosts.map(whyNotReady))).filter((one) => one !== undefined);
    if (why === undefined) return measure(hosts);
    say(why);
    return 1;
  }
  setUp();
  const folder = mkdtempSync(join(tmpdir(), "hearthmesh-loadtest-"));
  say("Starting three nodes ...");
  const member = await startThreeNodes({ folder });
  try {
    return await measure(member.processes.map(({ httpUrl }) => new URL(httpUrl)));
  } finally {
    await member.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(urls) {
  const { users, spawnPerSecond, seconds } = load;
  say(`${users} users, ${spawnPerSecond} more each second, at ${urls.map(({ host }) => host)}`);
  say(`then ${seconds} s are measured ...\n`);
  const result = await runLoad({ hosts: urls, ...load });
  show(result, urls.length);
  return result.rows.at(-1).failures;
}

process.exit((await main()) === 0 ? 0 : 1);
