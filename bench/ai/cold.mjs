/**
 * Two devices from cold to a pool that is ready: real daemons on loopback, each in an empty home,
 * the second one with the pairing code and the address of the first. Ready is when both list both
 * members ONLINE, and the ring of both stands in the topology file of each.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePortBase, PORT_STEP } from "../../scripts/free-ports.mjs";
import { MeshProcess, meshOk } from "../../scripts/mesh-processes.mjs";

const NAMES = ["device1", "device2"];
const LOOK_EVERY_MS = 20;
const WAIT_MS_MAX = 60_000;
const ENROLMENT_PORT = 9001;

const namesOnline = (members = []) =>
  members
    .filter(({ status }) => status === "online")
    .map(({ name }) => name)
    .sort()
    .join();

async function listsBoth({ httpUrl }) {
  try {
    const { pools } = await (await fetch(`${httpUrl}/api/pools`)).json();
    return namesOnline(pools[0]?.members) === NAMES.join();
  } catch {
    // Not listening yet.
    return false;
  }
}

function hasTopology({ home }, poolId) {
  const path = join(home, `ring_topology_${poolId}.json`);
  if (!existsSync(path)) return false;
  const { members } = JSON.parse(readFileSync(path, "utf8"));
  return namesOnline(members) === NAMES.join();
}

async function ready(nodes, poolId) {
  const endMs = performance.now() + WAIT_MS_MAX;
  for (;;) {
    const lists = await Promise.all(nodes.map(listsBoth));
    if (lists.every(Boolean) && nodes.every((node) => hasTopology(node, poolId))) return;
    if (performance.now() > endMs) throw new Error("the two devices did not become a pool");
    await sleep(LOOK_EVERY_MS);
  }
}

function daemon(folder, index, base) {
  const portBase = base + index * PORT_STEP;
  const name = NAMES[index];
  const args = ["up", "--port-base", String(portBase), "--beacon", "no"];
  return new MeshProcess({
    ...{ name, home: join(folder, name), portBase, args },
    isCoordinator: index === 0,
  });
}

export async function coldRound() {
  const folder = mkdtempSync(join(tmpdir(), "hearthmesh-cold-"));
  const base = await freePortBase(NAMES.length);
  const nodes = NAMES.map((_, index) => daemon(folder, index, base));
  const [first, second] = nodes;
  try {
    for (const { home, name } of nodes) {
      mkdirSync(home, { recursive: true });
      await meshOk(home, ["init", "--network-id", "bench", "--name", name]);
    }
    const startedMs = performance.now();
    const create = ["pool", "create", "--name", "bench", "--pair", "--json"];
    const made = JSON.parse(await meshOk(first.home, create));
    first.start();
    await first.ready();
    const secondFromMs = performance.now();
    const pool = ["--pool-id", made.poolId, "--pool-root-pubkey", made.rootPublicKey];
    const admin = ["--peer", `127.0.0.1:${ENROLMENT_PORT + base}`];
    const joining = ["pool", "join", ...pool, "--name", "bench", ...admin, "--code", "-"];
    await meshOk(second.home, joining, { input: made.pairingCode });
    const joinedMs = performance.now();
    second.start();
    await ready(nodes, made.poolId);
    const readyMs = performance.now();
    return {
      firstMs: secondFromMs - startedMs,
      joinMs: joinedMs - secondFromMs,
      secondMs: readyMs - secondFromMs,
      bothMs: readyMs - startedMs,
    };
  } finally {
    await Promise.all(nodes.map((node) => node.kill("SIGTERM")));
    rmSync(folder, { recursive: true, force: true });
  }
}
