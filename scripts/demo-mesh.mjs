/**
 * Guide 4 without containers: three nodes on ports 8000 to 8002, one is stopped and comes back, one
 * stands still as if it were cut off. `--http-port` is the first of three others; `--keep` leaves
 * the processes running and says how to use them.
 */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { demoArguments, detail, fail, runDemo, step } from "./demo-run.mjs";
import { freePortBase, isFree } from "./free-ports.mjs";
import { say } from "./lib.mjs";
import { meshOk } from "./mesh-processes.mjs";
import { peersOf, startThreeNodes, untilPeers } from "./three-nodes.mjs";

const HTTP_PORT = 8000;
const INCIDENT_MS_MAX = 20_000;
const folder = mkdtempSync(join(tmpdir(), "hearthmesh-mesh-"));

async function timed(work) {
  const fromMs = performance.now();
  const result = await work();
  return { result, seconds: ((performance.now() - fromMs) / 1000).toFixed(1) };
}

/** Of node-a, node-b and node-c. Throws when somebody has one of them. */
async function httpPorts() {
  const first = Number(demoArguments().httpPort ?? HTTP_PORT);
  if (!Number.isInteger(first) || first < 1 || first > 65_533) fail("--http-port: 1 to 65533");
  const ports = [first, first + 1, first + 2];
  for (const port of ports) {
    if (await isFree(port)) continue;
    fail(
      `port ${port} is taken, and the nodes need ${ports.join(", ")}. Stop what listens there, ` +
        "or choose others: npm run demo -- mesh --http-port 8100",
    );
  }
  return ports;
}

/** The newest incident that a node wrote of a subject, once it is in a state that holds. */
async function incidentOf(node, name, holds) {
  const endMs = performance.now() + INCIDENT_MS_MAX;
  while (performance.now() < endMs) {
    const { incidents } = JSON.parse(await meshOk(node.home, ["heal", "history", "--json"]));
    const found = incidents.find(
      ({ subject, nodeName }) => subject.name === name && nodeName === node.name,
    );
    if (found !== undefined && holds(found)) return found;
    await sleep(200);
  }
  return fail(`${node.name} tells of no such incident about ${name}`);
}

async function showOutput(node, args) {
  const output = await meshOk(node.home, args);
  for (const line of output.trimEnd().split("\n")) detail(line);
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
  await showOutput(a, ["heal", "explain", incident.id]);
}

/** A process that is stopped is to the others what a cut cable is: it says nothing at all. */
async function partition([a, b, c]) {
  step("scenario 2: node-c falls silent (SIGSTOP), as if its network were cut");
  c.child.kill("SIGSTOP");
  try {
    const cut = await timed(() => untilPeers([a, b], 1, INCIDENT_MS_MAX, 20));
    step(`node-a and node-b route around it after ${cut.seconds} s`);
    // Its healer looks a moment later, and writes nothing of who is back by then.
    await incidentOf(a, "node-c", () => true);
  } finally {
    c.child.kill("SIGCONT");
  }
  const healed = await timed(() => untilPeers([a, b, c], 2, INCIDENT_MS_MAX, 20));
  step(`it goes on, and the mesh is whole after ${healed.seconds} s`);
  await incidentOf(a, "node-c", ({ closedAtMs }) => closedAtMs !== null);
  step("what healing wrote down of all this (mesh heal history):");
  await showOutput(a, ["heal", "history"]);
}

await runDemo({
  folder,
  start: async () => {
    const ports = await httpPorts();
    step("starting three nodes: node-a, node-b, node-c");
    return startThreeNodes({ folder, portBase: await freePortBase(3), httpPorts: ports });
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
