/** The three nodes of guide 4 as processes: `node-a` coordinates, all of them serve HTTP. */
import { setTimeout as sleep } from "node:timers/promises";
import { MeshProcesses } from "./mesh-processes.mjs";

const NAMES = ["node-a", "node-b", "node-c"];

/**
 * Ready when each node sees the two others.
 * @param {{ folder: string, httpPorts?: number[], portBase?: number, extra?: string[] }} options
 */
export async function startThreeNodes({ folder, ...options }) {
  const member = await MeshProcesses.start({
    ...{ folder, storageNodes: 2, names: NAMES },
    coordinatorExtra: ["--role", "storage", "--capacity", "4GB"],
    ...options,
  });
  try {
    await untilPeers(member.processes, 2);
  } catch (error) {
    await member.stop();
    throw error;
  }
  return member;
}

/** @returns {Promise<{ count: number, peers: any[], missing: any[] }>} */
export async function peersOf(node) {
  const answer = await fetch(`${node.httpUrl}/mesh/peers`);
  if (!answer.ok) throw new Error(`${node.name} answered ${answer.status}`);
  return answer.json();
}

/** Waits until each of the nodes reports so many peers. */
export async function untilPeers(nodes, count, timeoutMs = 60_000, everyMs = 50) {
  const endMs = performance.now() + timeoutMs;
  let last = "";
  while (performance.now() < endMs) {
    const answers = await Promise.all(nodes.map((node) => peersOf(node).catch(() => undefined)));
    if (answers.every((answer) => answer?.count === count)) return answers;
    last = nodes.map(({ name }, at) => `${name}: ${answers[at]?.count ?? "no answer"}`).join(", ");
    await sleep(everyMs);
  }
  throw new Error(`not every node reports ${count} peers after ${timeoutMs} ms: ${last}`);
}
