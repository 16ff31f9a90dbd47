/** What the examples show, each played by real processes on loopback. */
import { freePorts } from "./stage.mjs";

const HOST = "127.0.0.1";
/** So that a scene takes a second; the examples' own default is the guide's. */
const QUICK = { MESH_RETRY_MS: 50, MESH_FAIL_BACK_MS: 200 };
/** Linux has all of 127.0.0.0/8 on its loopback interface, other systems 127.0.0.1 alone. */
const OTHER_LOCAL_ADDRESS = process.platform === "linux" ? "127.0.0.2" : HOST;

/** @typedef {Parameters<typeof import("./stage.mjs").playScene>[0]} Scene */
/** @typedef {Parameters<Scene["play"]>[0]} Stage */

/** @param {Stage} stage */
async function basic(stage) {
  const [MESH_PORT = 0] = await freePorts(1);
  const alpha = stage.start("alpha", "basic-server", { MESH_PORT });
  await alpha.says(`Node Alpha listening on ${HOST}:${MESH_PORT}`);
  const beta = stage.start("beta", "basic-client", { MESH_PORT });
  await beta.says("Connected to coordinator");
  await alpha.says("Peer connected: beta", "  Region: eu-central");
  await alpha.says(
    "Message from beta: { type: 'register', capabilities: [ 'compute', 'storage' ] }",
  );
  stage.note("the coordinator ends and comes back: the client does, too");
  await alpha.stop("SIGINT");
  const again = stage.start("alpha", "basic-server", { MESH_PORT });
  await beta.says("Connected to coordinator");
  await again.says("Message from beta: { type: 'register'");
}

/** @param {Stage} stage */
async function interfaces(stage) {
  const [MESH_PORT = 0] = await freePorts(1);
  const alpha = stage.start("alpha", "basic-server", { MESH_PORT });
  await alpha.says("listening on");
  const variables = { MESH_PORT, MESH_LOCAL_ADDRESS: OTHER_LOCAL_ADDRESS };
  const gamma = stage.start("gamma", "interface-client", variables);
  await gamma.says(/^Connected through lo/, `Connected from ${OTHER_LOCAL_ADDRESS}`);
  await alpha.says(
    "Peer connected: gamma",
    "  Region: ap-south",
    `  Address: ${HOST}:`,
    `  Address: ${OTHER_LOCAL_ADDRESS}:`,
  );
  stage.note("192.0.2.1 is not behind the loopback interface: refused before a packet is sent");
  const stray = stage.start("stray", "regional-worker", { MESH_PORT, MESH_HOST: "192.0.2.1" });
  await stray.says("QW_PEER_OUTSIDE_NETWORK");
  await stray.fails();
}

/** @param {Stage} stage */
async function registry(stage) {
  const [MESH_PORT = 0] = await freePorts(1);
  const start = (MESH_NODE_ID, MESH_REGION) =>
    stage.start(MESH_NODE_ID, "registry-peer", { MESH_PORT, MESH_NODE_ID, MESH_REGION });
  const hub = stage.start("registry", "peer-registry", { MESH_PORT });
  await hub.says("Registry listening on");
  const beta = start("beta", "eu-central");
  const onlyBeta = /^peer-update: beta \(eu-central: gpu, storage\)$/;
  await beta.says(onlyBeta);
  const gamma = start("gamma", "ap-south");
  const both = "peer-update: beta (eu-central: gpu, storage); gamma (ap-south: gpu, storage)";
  await Promise.all([beta.says(both), gamma.says(both)]);
  stage.note("gamma leaves in order");
  await gamma.stop();
  await beta.says(onlyBeta);
  const delta = start("delta", "us-west");
  await Promise.all([beta.says("; delta (us-west"), delta.says("; delta (us-west")]);
  stage.note("delta is killed");
  await delta.kill();
  await beta.says(onlyBeta);
}

/** @param {Stage} stage */
async function regions(stage) {
  const [MESH_PORT = 0] = await freePorts(1);
  const coordinator = stage.start("coordinator", "region-coordinator", { MESH_PORT });
  await coordinator.says("Coordinator listening on");
  const start = (MESH_NODE_ID, MESH_REGION, more = {}) =>
    stage.start(MESH_NODE_ID, "regional-worker", {
      ...{ MESH_PORT, MESH_NODE_ID, MESH_REGION, ...QUICK },
      ...more,
    });
  const europe = [start("worker-eu-1", "eu-central"), start("worker-eu-2", "eu-central")];
  const west = start("worker-us-1", "us-west");
  await coordinator.says(
    "worker-eu-1 is in eu-central",
    "worker-eu-2 is in eu-central",
    "worker-us-1 is in us-west",
  );
  start("worker-ap-1", "ap-south", { MESH_BROADCAST_TO: "eu-central" });
  const toEurope = "Received from mesh: { from: 'worker-ap-1', text: 'hello eu-central' }";
  await Promise.all(europe.map((worker) => worker.says(toEurope)));
  start("worker-ap-2", "ap-south", { MESH_BROADCAST_TO: "us-west" });
  await west.says("Received from mesh: { from: 'worker-ap-2', text: 'hello us-west' }");
  // It would have come before.
  west.neverSaid("eu-central");
  stage.note("the coordinator is killed and comes back");
  await coordinator.kill();
  await west.says(/^Reconnecting to mesh \(attempt 1, delay \d+ms\)$/);
  const again = stage.start("coordinator", "region-coordinator", { MESH_PORT });
  await again.says("worker-us-1 is in us-west");
}

/** Three coordinators, and what starts one of them. @param {Stage} stage */
async function coordinatorsOf(stage) {
  const ports = await freePorts(3);
  const start = async (index) => {
    const variables = { MESH_PORT: ports[index] ?? 0, MESH_NODE_ID: `coordinator-${index}` };
    const coordinator = stage.start(variables.MESH_NODE_ID, "basic-server", variables);
    await coordinator.says("listening on");
    return coordinator;
  };
  const [first, second, third] = await Promise.all([start(0), start(1), start(2)]);
  const addresses = ports.map((port) => `${HOST}:${port}`);
  const variables = { MESH_COORDINATORS: addresses.join(","), ...QUICK };
  return { first, second, third, start, addresses, variables };
}

/** @param {Stage} stage */
async function failover(stage) {
  const { first, second, third, start, variables } = await coordinatorsOf(stage);
  const worker = stage.start("worker", "failover", variables);
  await first.says("Peer connected: worker-failover");
  stage.note("coordinator 0 is killed");
  await first.kill();
  await worker.says("Failing over to coordinator 1");
  await second.says("Peer connected: worker-failover");
  stage.note("another worker starts while coordinator 0 is away");
  const late = stage.start("late worker", "failover", variables);
  await late.says("Failing over to coordinator 1");
  await second.says("Peer connected: worker-failover");
  stage.note("coordinator 1 ends in order");
  await second.stop();
  await Promise.all([worker, late].map((each) => each.says("Failing over to coordinator 2")));
  await third.says("Peer connected: worker-failover");
  await third.says("Peer connected: worker-failover");
  stage.note("coordinator 0 is back, and coordinator 2 is killed");
  const again = await start(0);
  await third.kill();
  await Promise.all([worker, late].map((each) => each.says("Failing over to coordinator 0")));
  await again.says("Peer connected: worker-failover");
  await again.says("Peer connected: worker-failover");
}

/** @param {Stage} stage */
async function failoverByEndpoints(stage) {
  const { first, second, third, start, addresses, variables } = await coordinatorsOf(stage);
  const [preferred = "", next = "", last = ""] = addresses;
  const worker = stage.start("worker", "failover-endpoints", variables);
  await worker.says(`Connected to ${preferred}`);
  await first.says("Peer connected: worker-failover");
  stage.note("coordinator 0 is killed; what is sent meanwhile reaches the next");
  await first.kill();
  await worker.says("Lost the coordinator");
  await worker.says(`Connected to ${next}`);
  await second.says("Message from worker-failover: { type: 'moved', reason: 'lost' }");
  stage.note("coordinator 1 ends in order");
  await second.stop();
  await worker.says("The coordinator has ended in order");
  await worker.says(`Connected to ${last}`);
  await third.says("Message from worker-failover: { type: 'moved', reason: 'ended' }");
  stage.note("coordinator 0 is back: the worker returns, although nothing failed");
  const again = await start(0);
  await worker.says(`Going back to ${preferred}`);
  await worker.says(`Connected to ${preferred}`);
  await again.says("Peer connected: worker-failover");
}

const MESH = [
  { nodeId: "alpha", region: "us-west" },
  { nodeId: "beta", region: "eu-central" },
  { nodeId: "gamma", region: "ap-south" },
];

/** @param {Stage} stage */
async function mesh(stage) {
  const ports = await freePorts(MESH.length);
  const addressOf = (index) => `${HOST}:${ports[index]}`;
  const others = (index) => MESH.map((_, other) => other).filter((other) => other !== index);
  const start = (index) =>
    stage.start(MESH[index]?.nodeId ?? "", "mesh-node-main", {
      MESH_NODE_ID: MESH[index]?.nodeId ?? "",
      MESH_REGION: MESH[index]?.region ?? "",
      MESH_PORT: ports[index] ?? 0,
      MESH_PEERS: others(index).map(addressOf).join(","),
      ...QUICK,
    });
  const nodes = MESH.map((_, index) => start(index));
  const meets = (node, index, peers) =>
    node.says(
      ...peers.flatMap((peer) => [
        `[${MESH[index]?.nodeId}] Connected to ${addressOf(peer)}`,
        `[${MESH[index]?.nodeId}] Peer joined: ${MESH[peer]?.nodeId}`,
        `[${MESH[index]?.nodeId}] Message from ${MESH[peer]?.nodeId}: { type: 'hello'`,
      ]),
    );
  await Promise.all(nodes.map((node, index) => meets(node, index, others(index))));
  const [alpha, beta, gamma] = nodes;
  stage.note("beta is killed");
  await beta?.kill();
  await alpha?.says("[alpha] Peer left: beta");
  await gamma?.says("[gamma] Peer left: beta");
  stage.note("beta is back: the others find it by themselves");
  const again = start(1);
  await Promise.all([
    ...[0, 2].map((index) => meets(nodes[index], index, [1])),
    again.says("[beta] Connected to", "[beta] Peer joined: alpha", "[beta] Peer joined: gamma"),
  ]);
  stage.note("beta ends in order");
  await again.stop();
  await alpha?.says("[alpha] Peer left: beta");
  // Each hello came once, although nodes that dialled each other have two connections.
  const hellos = alpha?.timesSaid("[alpha] Message from beta: { type: 'hello'");
  if (hellos !== 2) throw new Error(`alpha got ${hellos} messages of beta, which sent it 2`);
}

/** @param {Stage} stage */
async function peersAway(stage) {
  const [MESH_PORT = 0, absent = 0] = await freePorts(2);
  const variables = { MESH_PORT, MESH_PEERS: `${HOST}:${absent}`, ...QUICK };
  const alpha = stage.start("alpha", "mesh-node-main", variables);
  await alpha.says("[alpha] Listening on port");
  const client = stage.start("worker", "regional-worker", { MESH_PORT: absent, ...QUICK });
  await client.says("Reconnecting to mesh (attempt 3");
  stage.note("both are asked to end while they still try to connect");
}

/** @param {Stage} stage */
async function telemetry(stage) {
  const [MESH_PORT = 0] = await freePorts(1);
  const server = stage.start("server", "telemetry", { MESH_PORT });
  await server.says("Listening on");
  const beta = stage.start("beta", "basic-client", { MESH_PORT });
  await server.says("Connections: 1");
  await server.says(/^Bytes in\/out: [1-9]\d*\/[1-9]\d*$/);
  await beta.stop();
  await server.says("Connections: 0");
}

/** @type {Scene[]} */
export const scenes = [
  { name: "basic", play: basic },
  { name: "interface", play: interfaces },
  { name: "peer-registry", play: registry },
  { name: "regions", play: regions },
  { name: "failover", play: failover },
  { name: "failover-endpoints", play: failoverByEndpoints },
  { name: "mesh-node", play: mesh },
  { name: "peers-away", play: peersAway },
  { name: "telemetry", play: telemetry },
];
