/** Records a history: a store, clients, faults. What it makes, it takes away again. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { MeshError } from "@hearthmesh/core";
import {
  FAULTS,
  faultPlan,
  HISTORY_EVENTS_MAX,
  HISTORY_FORMAT,
  HISTORY_NAME,
  seededRandom,
} from "@hearthmesh/store/testing";
import { LineChild } from "../support/mesh-lab-namespace.mjs";
import { EtcdBed, whyNoEtcd } from "./etcd-bed.mjs";
import { HostBed } from "./host-bed.mjs";
import { whyNoPrivateDisk } from "./private-disk.mjs";

const CLIENT = fileURLToPath(new URL("client-process.mjs", import.meta.url));
const CLIENTS = 3;
const REGISTER_WORKERS = 3;
const MANIFEST = fileURLToPath(new URL("../../packages/store/package.json", import.meta.url));

/** Faults that each engine can be recorded under. */
export const FAULTS_OF = {
  memory: ["pause", "clock"],
  sqlite: ["kill", "pause", "disk", "clock"],
  etcd: FAULTS,
};

/**
 * Why this machine cannot record that; undefined when it can.
 * @param {string} engine
 * @param {readonly string[]} faults
 * @returns {string | undefined}
 */
export function whyNoRecording(engine, faults) {
  if (engine === "etcd") return whyNoEtcd(faults);
  return faults.includes("disk") ? whyNoPrivateDisk() : undefined;
}

const nowUs = () => Number(process.hrtime.bigint() / 1000n);

/**
 * @param {{ engine: "memory" | "sqlite" | "etcd", seconds: number, seed: number,
 *   faults: readonly string[], pauseMs?: number, say?: (words: string) => void }} options
 * @returns {Promise<import("@hearthmesh/store/testing").History>}
 */
export async function record({ engine, seconds, seed, faults, pauseMs = 4, say = () => {} }) {
  const folder = mkdtempSync(join(tmpdir(), "hearthmesh-history-"));
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  // Also when it is broken off; the processes end with this one by themselves.
  process.once("exit", remove);
  const closing = [];
  try {
    const make = engine === "etcd" ? EtcdBed : HostBed;
    const bed = await make.create({ engine, folder, faults, clients: CLIENTS });
    closing.push(() => bed.close());
    const parts = Array.from({ length: CLIENTS }, (_, place) => join(folder, `client-${place}`));
    const clients = parts.map((_, place) => {
      const child = bed.spawnClient([process.execPath, CLIENT], place);
      const line = new LineChild(child);
      closing.push(() => line.close());
      return line;
    });
    const { startRevision } = bed;
    await each(clients, "start", (place) => ({
      storeOptions: bed.storeOptions(place),
      path: parts[place],
      seed: seed * CLIENTS,
      place,
      clients: CLIENTS,
      registerWorkers: REGISTER_WORKERS,
      pauseMs,
      startRevision,
    }));
    const done = await inflict({ bed, clients, seconds, seed, faults, say });
    await each(clients, "stopWork");
    const revision = await clients[0].ask("writeEnd");
    await each(clients, "finish", () => ({ revision }));
    const header = {
      history: HISTORY_NAME,
      format: HISTORY_FORMAT,
      engine,
      faults: [...faults],
      seed,
      version: JSON.parse(readFileSync(MANIFEST, "utf8")).version,
      startRevision,
    };
    return { header, events: inOrder([...done, ...parts.flatMap(eventsIn)]) };
  } finally {
    for (const close of closing.reverse()) await close();
    process.off("exit", remove);
    remove();
  }
}

function each(clients, operation, details = () => ({})) {
  return Promise.all(clients.map((line, place) => line.ask(operation, details(place))));
}

/** Every planned fault, begun and ended; gives their lines. */
async function inflict({ bed, clients, seconds, seed, faults, say }) {
  const random = seededRandom(seed);
  const lines = [];
  const startUs = nowUs();
  const tell = (op, target, words) => {
    const time = nowUs();
    lines.push({ process: "nemesis", type: "info", op, target, time, ...(words && { words }) });
    say(`${((time - startUs) / 1e6).toFixed(1)} s: ${op} ${target}${words ? `, ${words}` : ""}`);
  };
  const untilMs = (atMs) => wait(Math.max(0, atMs - (nowUs() - startUs) / 1000));
  for (const { name, atMs, durationMs } of faultPlan(faults, seconds * 1000, random)) {
    await untilMs(atMs);
    const end = await bed.faults[name](tell, random, clients);
    await untilMs(atMs + durationMs);
    await end();
  }
  await untilMs(seconds * 1000);
  return lines;
}

function eventsIn(path) {
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line));
}

function inOrder(events) {
  if (events.length > HISTORY_EVENTS_MAX) {
    throw new MeshError("MESH_LIMIT", {
      message: `more than ${HISTORY_EVENTS_MAX} events`,
      hint: "Record for fewer seconds.",
    });
  }
  const order = ({ type }) => (type === "invoke" ? 0 : 1);
  return events.sort((a, b) => a.time - b.time || order(a) - order(b));
}
