/** `w/<name>`: what an operator set for a worker, and how its last run ended. */
import { limits, MeshError } from "@hearthmesh/core";
import type { Fields } from "../fields.js";
import type { LastRun, WorkerError } from "./worker.js";
import { STANDARD_SETTINGS, type WorkerSettings } from "./worker-definition.js";

export interface WorkerRecord {
  readonly v: 1;
  readonly settings: WorkerSettings;
  readonly lastRun?: LastRun;
  readonly lastError?: WorkerError;
}

export const NEW_RECORD: WorkerRecord = { v: 1, settings: STANDARD_SETTINGS };

/** What is to be changed: absent stays, null goes back to the standard. */
export interface WorkerChange {
  readonly paused?: boolean;
  readonly intervalMs?: number | null;
  readonly rateBytes?: number | null;
  readonly tranquility?: number | null;
}

export function readChange(fields: Fields): WorkerChange {
  const { WORKER_INTERVAL_MS_MIN, WORKER_INTERVAL_MS_MAX, WORKER_TRANQUILITY_MAX } = limits;
  return {
    ...(fields.raw("paused") === undefined ? {} : { paused: fields.flag("paused") }),
    ...readNumber(fields, "intervalMs", WORKER_INTERVAL_MS_MIN, WORKER_INTERVAL_MS_MAX),
    ...readNumber(fields, "rateBytes", limits.WORKER_RATE_BYTES_MIN, Number.MAX_SAFE_INTEGER),
    ...readNumber(fields, "tranquility", 0, WORKER_TRANQUILITY_MAX),
  };
}

export function changed(settings: WorkerSettings, change: WorkerChange): WorkerSettings {
  const all: WorkerChange = { ...settings, ...change };
  const set = Object.entries(all).filter(([, value]) => value !== null && value !== undefined);
  return { ...STANDARD_SETTINGS, ...(Object.fromEntries(set) as Partial<WorkerSettings>) };
}

function readNumber(fields: Fields, name: string, least: number, most: number): WorkerChange {
  const value = fields.raw(name);
  if (value === undefined) return {};
  if (value === null) return { [name]: null };
  if (typeof value === "number" && value >= least && value <= most) return { [name]: value };
  throw new MeshError("MESH_BAD_REQUEST", {
    message: `${name} has to be a number from ${least} to ${most}`,
    hint: "`mesh worker set --help` shows the units.",
  });
}
