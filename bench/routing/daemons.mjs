/** Two nodes of one member as real processes, each of which has the service as its own. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { MeshProcesses, meshOk } from "../../scripts/mesh-processes.mjs";

const KNOWN_MS_MAX = 30_000;

/**
 * Calls `work` with the ways to the service on `port` through the nodes: by name, what to ask and
 * whose process it costs time.
 */
export async function withDaemons(port, work) {
  const folder = mkdtempSync(join(tmpdir(), "hearthmesh-bench-routing-"));
  let member;
  try {
    member = await MeshProcesses.start({ folder, storageNodes: 1 });
    const { coordinator } = member;
    const [node] = member.nodes;
    const add = (home, name) => meshOk(home, ["service", "add", name, "--port", String(port)]);
    await add(coordinator.home, "on-coordinator");
    await add(node.home, "on-node");
    const way = ({ httpUrl, pid }, service) => ({
      target: { port: Number(new URL(httpUrl).port), path: `/api/mesh/route/${service}/` },
      pid,
    });
    const ways = {
      coordinator: way(coordinator, "on-coordinator"),
      node: way(node, "on-node"),
      "coordinator, link, node": way(coordinator, "on-node"),
      "node, link, coordinator": way(node, "on-coordinator"),
    };
    for (const { target } of Object.values(ways)) await untilAnswered(target);
    return await work(ways);
  } finally {
    await member?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The other node has to hear of a new service first. */
async function untilAnswered({ port, path }) {
  const endMs = performance.now() + KNOWN_MS_MAX;
  let status;
  while (performance.now() < endMs) {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`);
    await answer.arrayBuffer();
    if (answer.ok) return;
    status = answer.status;
    await sleep(100);
  }
  throw new Error(`${path} still answers ${status}`);
}

/** Of a process, in seconds; undefined where the system does not tell. */
export function cpuSeconds(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1].split(" ");
    // User and system time, in hundredths of a second (proc(5)).
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return undefined;
  }
}
