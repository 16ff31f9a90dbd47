/** Copies of a storage node that was lost: how soon the others begin to make new ones. */
import { setTimeout as sleep } from "node:timers/promises";
import { closedIncident, mkdir, pause, stagesOf, withFourNodes } from "./four-nodes.mjs";

const FILES = 12;
const FILE_BYTES = 2 << 20;
const LOST_MS = 5_000;
const LOOK_MS = 50;
const COPIED_MS_MAX = 120_000;

const copied = async (first) => {
  const { workers } = await first.json("/api/workers");
  return workers.reduce((sum, { name, done }) => sum + (name.startsWith("repair") ? done : 0), 0);
};

/** More of them in a row meet the healer's budget of remedies in ten minutes, as they should. */
const RUNS_PER_MESH = 10;

export async function measureReplicas({ runs, say }) {
  const samples = [];
  while (samples.length < runs) {
    const upTo = Math.min(runs, samples.length + RUNS_PER_MESH);
    await measureInOneMesh({ samples, upTo, runs, say });
  }
  return { samples };
}

function measureInOneMesh({ samples, upTo, runs, say }) {
  const flags = ["--node-lost", `${LOST_MS}ms`];
  return withFourNodes({ firstFlags: flags }, async (lab) => {
    const [first, ...others] = lab.machines;
    await first.request("/api/files/mkdir", mkdir("/replicas"));
    while (samples.length < upTo) {
      const run = samples.length + 1;
      for (let at = 0; at < FILES; at++) {
        const body = Buffer.alloc(FILE_BYTES, `${run} ${at} ${Math.random()} `);
        const path = `/api/files/content?path=${encodeURIComponent(`/replicas/${at}.bin`)}`;
        const { status } = await first.request(path, { method: "PUT", body });
        if (status >= 300) throw new Error(`writing was answered by ${status}`);
      }
      await pause();
      const victim = others[run % others.length];
      const before = await copied(first);
      const faultAtMs = Date.now();
      await victim.kill();
      const endMs = performance.now() + COPIED_MS_MAX;
      while ((await copied(first)) <= before) {
        if (performance.now() > endMs) throw new Error("nothing was copied");
        await sleep(LOOK_MS);
      }
      const copiedMs = Date.now() - faultAtMs;
      const wanted = { kind: "replicas-missing", subject: undefined, sinceMs: faultAtMs };
      const incident = await closedIncident(first, wanted);
      victim.start();
      await lab.agree(lab.machines, COPIED_MS_MAX);
      const { detected, decided, mended, verified } = stagesOf(incident, faultAtMs);
      // Declared lost so long after it was gone: what comes before is patience, not healing.
      samples.push({ detected, decided, mended, verified, outside: copiedMs - (detected ?? 0) });
      say(`replicas ${run}/${runs}: first copy ${copiedMs} ms after the node was gone`);
    }
  });
}
