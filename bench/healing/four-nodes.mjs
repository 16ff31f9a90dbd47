/** Four machines of one member, for a bench; and what its nodes wrote about their incidents. */
import { setTimeout as sleep } from "node:timers/promises";
import { MeshLab } from "../../test/support/mesh-lab.mjs";

const NAMES = ["one", "two", "three", "four"];
const INCIDENT_MS_MAX = 60_000;
const LOOK_MS = 100;
/** Runs begin at any point of the probing. */
const PAUSE_MS_MAX = 1_000;

/**
 * Calls `work` with a whole mesh, and takes it away again.
 * @param {{ firstFlags?: string[], flags?: string[] }} options
 * @param {(lab: MeshLab) => Promise<any>} work
 */
export async function withFourNodes({ firstFlags = [], flags = [] }, work) {
  const lab = await MeshLab.create();
  try {
    const lan = await lab.network.addLan();
    const machines = [];
    for (const name of NAMES) machines.push(await lab.machine(name, lan));
    const [first, ...others] = machines;
    const all = ["--profile", "lan", ...flags];
    await lab.found(first, { flags: [...all, ...firstFlags] });
    for (const machine of others) await lab.join(machine, first, { flags: all });
    await lab.agree(machines, INCIDENT_MS_MAX);
    return await work(lab);
  } finally {
    await lab.close();
  }
}

export const pause = () => sleep(Math.random() * PAUSE_MS_MAX);

/**
 * The newest incident of that kind, about that subject and since that time (wall clock), once it is
 * closed.
 */
export async function closedIncident(machine, { kind, subject, sinceMs }) {
  const endMs = performance.now() + INCIDENT_MS_MAX;
  let last = "none";
  while (performance.now() < endMs) {
    const path = `/api/healing/incidents?limit=100&kind=${kind}`;
    const { incidents } = await machine.json(path).catch(() => ({ incidents: [] }));
    const found = incidents.find(
      (one) => one.openedAtMs >= sinceMs && (subject === undefined || one.subject.name === subject),
    );
    if (typeof found?.closedAtMs === "number") return found;
    last = found?.state ?? last;
    await sleep(LOOK_MS);
  }
  throw new Error(`no closed incident ${kind} at ${machine.name}; last: ${last}`);
}

/** Milliseconds from the fault to each stage of the incident. */
export function stagesOf({ openedAtMs, timings }, faultAtMs) {
  const seenMs = openedAtMs - faultAtMs;
  const from = (ms) => (ms === undefined ? undefined : seenMs + ms);
  return {
    detected: from(timings.detectedMs),
    decided: from(timings.decidedMs),
    mended: from(timings.mendedMs),
    verified: from(timings.verifiedMs),
  };
}

/** Of a request that makes this folder. */
export function mkdir(path) {
  return {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ path, parents: true }),
  };
}
