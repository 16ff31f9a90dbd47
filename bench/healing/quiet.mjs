/** A mesh that works hard and has no fault: whatever is mended here is a false alarm. */
import { setTimeout as sleep } from "node:timers/promises";
import { withFourNodes } from "./four-nodes.mjs";

const FILE_BYTES = 4 << 20;
const REQUESTS_PER_SECOND = 50;
const TOLD_MS = 60_000;

export function measureQuiet({ minutes, say }) {
  return withFourNodes({}, async (lab) => {
    const [first] = lab.machines;
    const endMs = performance.now() + minutes * 60_000;
    const state = { isOver: false, files: 0, requests: 0 };
    const work = [writeFiles(first, state), ...lab.machines.map((one) => ask(one, state))];
    while (performance.now() < endMs) {
      await sleep(Math.min(TOLD_MS, Math.max(0, endMs - performance.now())));
      say(`quiet: ${state.files} files, ${state.requests} requests`);
    }
    state.isOver = true;
    await Promise.all(work);
    const told = await Promise.all(
      lab.machines.map(async (machine) => {
        const { incidents } = await machine.json("/api/healing/incidents?limit=100");
        return incidents.map((one) => ({ ...one, toldBy: machine.name }));
      }),
    );
    const remedies = told.flat().filter((incident) => incident.remedies.length > 0);
    const { files, requests } = state;
    return { minutes, files, requests, incidents: told.flat(), remedies };
  });
}

/** Writes a file, reads it back, and writes the next one over it. */
async function writeFiles(machine, state) {
  const bytes = Buffer.alloc(FILE_BYTES, "a busy mesh ");
  while (!state.isOver) {
    const path = `/api/files/busy/${state.files % 20}.bin`;
    const { status } = await machine.request(path, { method: "PUT", body: bytes });
    if (status >= 300) throw new Error(`writing ${path} was answered by ${status}`);
    await machine.get(path);
    state.files++;
  }
}

async function ask(machine, state) {
  const wanted = { path: "/mesh/peers", perSecond: REQUESTS_PER_SECOND, seconds: 5 };
  while (!state.isOver) {
    await machine.agent.ask("flood", wanted);
    state.requests += REQUESTS_PER_SECOND * 5;
  }
}
