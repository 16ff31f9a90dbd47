/** The faults of nodes, processes and cables; run.mjs says how each is measured. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { closedIncident, pause, stagesOf, withFourNodes } from "./four-nodes.mjs";

const SERVICE_PORT = 18_080;
const ASK_MS = 20;
const ANSWER_MS_MAX = 60_000;
const CUT_MS = 8_000;
/** A process that ends sooner than 10 s after its start counts as one that cannot run. */
const STEADY_MS = 10_500;

/** Resolves with the milliseconds until `works` does, asked every 20 ms. */
async function untilWorks(works, what) {
  const fromMs = performance.now();
  while (performance.now() - fromMs < ANSWER_MS_MAX) {
    if (await works().catch(() => false)) return performance.now() - fromMs;
    await sleep(ASK_MS);
  }
  throw new Error(`${what} did not work again`);
}

const answered = async (machine) => (await machine.get("/api/mesh/route/hello/")).status === 200;

/** Which of the machines answers. */
async function serving(first, machines) {
  const { body } = await first.get("/api/mesh/route/hello/");
  const { name } = JSON.parse(body.toString("utf8"));
  return machines.find((machine) => machine.name === name);
}

export function measureCrash({ runs, say }) {
  return withFourNodes({}, async (lab) => {
    const [first, second, third] = lab.machines;
    const servers = [second, third];
    for (const machine of servers) {
      await machine.agent.ask("serve", { port: SERVICE_PORT, name: machine.name });
      await machine.cli(["service", "add", "hello", "--port", String(SERVICE_PORT)]);
    }
    const samples = [];
    for (let run = 1; run <= runs; run++) {
      await lab.agree(lab.machines, ANSWER_MS_MAX);
      await untilWorks(() => answered(first), "the service");
      await pause();
      const victim = await serving(first, servers);
      const faultAtMs = Date.now();
      const gone = victim.kill();
      const outside = await untilWorks(() => answered(first), "the service");
      await gone;
      // The incident is of the membership's verdict, which may come after others have answered.
      await lab.until(async () => {
        const { missing } = await first.json("/mesh/peers");
        return missing.some(({ name }) => name === victim.name);
      }, "its death to be known");
      victim.start();
      const backMs = await lab.agree(lab.machines, ANSWER_MS_MAX);
      const wanted = { kind: "peer-unreachable", subject: victim.name, sinceMs: faultAtMs };
      const incident = await closedIncident(first, wanted);
      // It is over when the node is back, which is this bench's own doing.
      const { detected, decided } = stagesOf(incident, faultAtMs);
      samples.push({ outside, backMs, detected, decided });
      say(`crash ${run}/${runs}: ${outside.toFixed(0)} ms, back after ${backMs.toFixed(0)} ms`);
    }
    return { samples };
  });
}

function childNamed(parent, name) {
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "utf8");
      const [, command, , ppid] = /\((.*)\) (\S) (\d+)/.exec(stat) ?? [];
      if (command === name && Number(ppid) === parent) return Number(entry);
    } catch {
      // It ended in between.
    }
  }
  throw new Error(`${parent} has no child ${name}`);
}

export function measureProcess({ runs, say }) {
  if (spawnSync("etcd", ["--version"]).error !== undefined) {
    throw new Error("etcd is not installed: apt-get install etcd-server");
  }
  return withFourNodes({ firstFlags: ["--store", "etcd"] }, async (lab) => {
    const [first] = lab.machines;
    const write = async () => {
      const options = { method: "PUT", body: String(Date.now()) };
      return (await first.request("/api/kv/bench/process", options)).status < 300;
    };
    const samples = [];
    for (let run = 1; run <= runs; run++) {
      await untilWorks(write, "the store");
      await sleep(STEADY_MS);
      await pause();
      const faultAtMs = Date.now();
      process.kill(childNamed(first.pid, "etcd"), "SIGKILL");
      // A write that was under way may still be answered.
      await sleep(ASK_MS);
      const outside = ASK_MS + (await untilWorks(write, "the store"));
      const wanted = { kind: "process-down", subject: undefined, sinceMs: faultAtMs - 1_000 };
      const incident = await closedIncident(first, wanted);
      // Where its own supervisor was quicker than the remedy, the end of the incident is the proof.
      const stages = stagesOf(incident, faultAtMs);
      const verified = stages.verified ?? incident.closedAtMs - faultAtMs;
      samples.push({ ...stages, verified, outside });
      say(`process ${run}/${runs}: writes again after ${outside.toFixed(0)} ms`);
    }
    return { samples };
  });
}

export function measurePartition({ runs, say }) {
  return withFourNodes({}, async (lab) => {
    const [first, ...others] = lab.machines;
    const samples = [];
    for (let run = 1; run <= runs; run++) {
      await lab.agree(lab.machines, ANSWER_MS_MAX);
      await pause();
      const victim = others[run % others.length];
      const faultAtMs = Date.now();
      await victim.port.linkDown();
      await sleep(CUT_MS);
      await victim.port.linkUp();
      const outside = await lab.agree(lab.machines, ANSWER_MS_MAX);
      const wanted = { kind: "peer-unreachable", subject: victim.name, sinceMs: faultAtMs };
      const incident = await closedIncident(first, wanted);
      const { detected, decided } = stagesOf(incident, faultAtMs);
      samples.push({ outside, detected, decided });
      say(`partition ${run}/${runs}: whole ${outside.toFixed(0)} ms after the cable was back`);
    }
    return { samples };
  });
}
