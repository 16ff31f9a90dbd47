/** A mesh that works hard and has no fault: whatever is mended here is a false alarm. */
import { setTimeout as sleep } from "node:timers/promises";
import { mkdir, withFourNodes } from "./four-nodes.mjs";

const FILE_BYTES = 1 << 20;
const REQUESTS_PER_SECOND = 25;
const TOLD_MS = 60_000;

export function measureQuiet({ minutes, say }) {
  return withFourNodes({}, async (lab) => {
    const [first] = lab.machines;
    const atStart = await incidentsOf(lab);
    const endMs = performance.now() + minutes * 60_000;
    const state = { isOver: false, files: 0, requests: 0 };
    const work = [writeFiles(first, state), ...lab.machines.map((one) => ask(one, state))];
    while (performance.now() < endMs) {
      await sleep(Math.min(TOLD_MS, Math.max(0, endMs - performance.now())));
      say(`quiet: ${state.files} files, ${state.requests} requests`);
    }
    state.isOver = true;
    await Promise.all(work);
    const known = new Set(atStart.map(({ id }) => id));
    const incidents = (await incidentsOf(lab)).filter(({ id }) => !known.has(id));
    const remedies = incidents.filter((incident) => incident.remedies.length > 0);
    const { files, requests } = state;
    return { minutes, files, requests, incidents, remedies };
  });
}

/** Writes a file, reads it back, and writes the next one over it. */
async function writeFiles(machine, state) {
  const bytes = Buffer.alloc(FILE_BYTES, "a busy mesh ");
  await machine.request("/api/files/mkdir", mkdir("/busy"));
  while (!state.isOver) {
    const path = `/api/files/content?path=${encodeURIComponent(`/busy/${state.files % 20}.bin`)}`;
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

async function incidentsOf(lab) {
  const told = await Promise.all(
    lab.machines.map(async (machine) => {
      const { incidents } = await machine.json("/api/healing/incidents?limit=100");
      return incidents.map((one) => ({ ...one, toldBy: machine.name }));
    }),
  );
  return told.flat();
}
