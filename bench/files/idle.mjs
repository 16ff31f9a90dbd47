/**
 * Memory of idle daemons: as a clone runs them, and as images and services do, from a bundle. Both
 * take turns; each time it is a new member of one coordinator and three storage nodes.
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { root, say } from "../../scripts/lib.mjs";
import { MeshProcesses } from "../../scripts/mesh-processes.mjs";
import { median, met, residentMegabytes, row } from "./figures.mjs";

/** Long enough for start-up garbage to be collected and connections to settle. */
const IDLE_MS = 10_000;

/** In MB (2^20): of the coordinator, and of the storage node that takes most. */
export async function idleMemory(member) {
  say("Measuring memory when idle ...");
  await sleep(IDLE_MS);
  return {
    coordinator: residentMegabytes(member.coordinator.pid),
    storage: Math.max(...member.nodes.map((node) => residentMegabytes(node.pid) ?? Number.NaN)),
  };
}

/** Two rows of a table with four columns behind the name. */
export function idleRows(name, { coordinator, storage }) {
  return [
    idleRow(`${name}: coordinator`, coordinator, 110),
    idleRow(`${name}: storage node (largest of 3)`, storage, 80),
  ];
}

function idleRow(name, value, limit) {
  const isMet = met((value ?? Number.POSITIVE_INFINITY) <= limit);
  return row(name, `${value?.toFixed(0) ?? "?"} MB`, "", `<= ${limit} MB`, isMet);
}

export async function measureIdle({ folder, rounds }) {
  const bundle = join(folder, "bundle");
  execFileSync(process.execPath, [join(root, "scripts/bundle.mjs"), "--built", bundle]);
  const programs = { clone: undefined, bundle: join(bundle, "mesh.mjs") };
  const figures = { clone: [], bundle: [] };
  for (let round = 1; round <= rounds; round++) {
    for (const [name, program] of Object.entries(programs)) {
      say(`Round ${round} of ${rounds}, ${name} ...`);
      const member = await MeshProcesses.start({
        folder: join(folder, `${name}-${round}`),
        program,
      });
      try {
        figures[name].push(await idleMemory(member));
      } finally {
        await member.stop();
      }
    }
  }
  return { rounds, figures };
}

export function idleTable({ rounds, figures }) {
  const rows = Object.entries(figures).flatMap(([name, measured]) =>
    idleRows(`memory, idle, ${name}`, {
      coordinator: median(measured.map((one) => one.coordinator)),
      storage: median(measured.map((one) => one.storage)),
    }),
  );
  const head = row(`what (median of ${rounds} rounds)`, "ours", "peer", "mark", "");
  return [head, "|---|---|---|---|---|", ...rows].join("\n");
}
