/**
 * Guide 4 without containers: three nodes on ports 8000 to 8002, one is stopped and comes back, one
 * stands still as if it were cut off. `--keep` leaves the processes running and says how to use
 * them.
 */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { detail, fail, runDemo, step } from "./demo-run.mjs";
import { freePortBase } from "./free-ports.mjs";
import { say } from "./lib.mjs";
import { meshOk } from "./mesh-processes.mjs";
import { peersOf, startThreeNodes, untilPeers } from "./three-nodes.mjs";

const HTTP_PORTS = [8000, 8001, 8002];
const INCIDENT_MS_MAX = 20_000;
const folder = mkdtempSync(join(tmpdir(), "hearthmesh-mesh-"));

async function timed(work) {
  const fromMs = performance.now();
  const result = await work();
  return { result, seconds: ((performance.now() - fromMs) / 1000).toFixed(1) };
}

/** The newest incident of that subject at that node, once it is in a state that holds. */
async function incidentOf(node, name, holds) {
  const endMs = performance.now() + INCIDENT_MS_MAX;
  while (performance.now() < endMs) {
    const { incidents } = JSON.parse(await meshOk(node.home, ["heal", "history", "--json"]));
    const found = incidents.find(({ subject }) => subject.name === name);
    if (found !== undefined && holds(found)) return found;
    await sleep(200);
  }
  return fail(`${node.name} tells of no such incident about ${name}`);
}

async function showIncident(node, { id }) {
  const page = await meshOk(node.home, ["heal", "explain", id]);
  for (const line of page.trimEnd().split("\n")) detail(line);
}

async function nodeFailure([a, b, c]) {
  step("scenario 1: node-b is killed (SIGKILL)");
  const gone = await timed(async () => {
    await b.kill("SIGKILL");
    await untilPeers([a, c], 1, INCIDENT_MS_MAX, 20);
  });
  step(`node-a and node-c report node-b missing after ${gone.seconds} s`);
  const { missing } = await peersOf(a);
  detail(`missing at node-a: ${missing.map(({ name }) => name).join(", ")}`);
  const back = await timed(async () => {
    b.start();
    await untilPeers([a, b, c], 2, INCIDENT_MS_MAX, 20);
  });
  step(`node-b is started again, and all three see two peers after ${back.seconds} s`);
  const incident = await incidentOf(a, "node-b", ({ closedAtMs }) => closedAtMs !== null);
  step("node-a wrote this incident (mesh heal explain):");
  await showIncident(a, incident);
}

/** A process that is stopped is to the others what a cut cable is: it says nothing at all. */
async function partition([a, b, c]) {
  step("scenario 2: node-c falls silent (SIGSTOP), as if its network were cut");
  c.child.kill("SIGSTOP");
  const cut = await timed(() => untilPeers([a, b], 1, INCIDENT_MS_MAX, 20));
  step(`node-a and node-b route around it after ${cut.seconds} s`);
  c.child.kill("SIGCONT");
  const healed = await timed(() => untilPeers([a, b, c], 2, INCIDENT_MS_MAX, 20));
  step(`it goes on, and the mesh is whole after ${healed.seconds} s`);
}

await runDemo({
  folder,
  start: async () => {
    step("starting three nodes: node-a, node-b, node-c");
    const portBase = await freePortBase(3);
    return startThreeNodes({ folder, portBase, httpPorts: HTTP_PORTS });
  },
  show: async (member) => {
    step("each node reports two active peers:");
    for (const node of member.processes) detail(`${node.name}: ${node.httpUrl}/mesh/peers`);
    await nodeFailure(member.processes);
    await partition(member.processes);
  },
  processes: (member) => member.processes,
  explainKeep: (member) => {
    say("\n  The three nodes go on. Try:");
    say(`    curl ${member.coordinator.httpUrl}/mesh/status`);
    say(`    MESH_HOME=${member.coordinator.home} npx mesh heal status`);
    say(`    kill ${member.nodes[0].pid}    # and look again`);
    say(`  Stop them: kill ${member.processes.map(({ pid }) => pid).join(" ")}`);
  },
});
