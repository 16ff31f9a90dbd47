/** The background work of the leading coordinator, for operators. */
import { limits } from "@hearthmesh/core";
import { z } from "zod";
import { TimeMs } from "./common.js";
import type { Endpoint } from "./endpoint.js";

const Interval = z
  .number()
  .int()
  .min(limits.WORKER_INTERVAL_MS_MIN)
  .max(limits.WORKER_INTERVAL_MS_MAX)
  .describe("Milliseconds between two runs");
const Rate = z.number().min(limits.WORKER_RATE_BYTES_MIN).describe("Bytes a second, at most");
const Tranquility = z
  .number()
  .min(0)
  .max(limits.WORKER_TRANQUILITY_MAX)
  .describe("Rest for each unit of work: 0 never rests, 4 works a fifth of the time");

export const WorkerView = z
  .lazy(() =>
    z.object({
      name: z.string(),
      purpose: z.string(),
      state: z.enum(["stopped", "idle", "running", "paused"]),
      done: z.number().int().describe("Things done since the leader started"),
      errors: z.number().int(),
      bytes: z.number(),
      queue: z.number().int().describe("Things known to be left"),
      runs: z.number().int().describe("Runs that ended since the leader started"),
      position: z.string().nullable().describe("Where the present run is"),
      portion: z.number().nullable().describe("0 to 1 of the present run; null when unknown"),
      lastRun: z
        .object({
          atMs: TimeMs.describe("Its end"),
          tookMs: z.number(),
          done: z.number().int(),
          errors: z.number().int(),
          bytes: z.number(),
        })
        .nullable(),
      lastError: z.object({ atMs: TimeMs, code: z.string(), message: z.string() }).nullable(),
      nextRunMs: TimeMs.nullable().describe("null while it is paused or running"),
      intervalMs: z.number(),
      settings: z.object({
        paused: z.boolean(),
        intervalMs: z.number().exactOptional(),
        rateBytes: z.number().exactOptional(),
        tranquility: z.number().exactOptional(),
      }),
    }),
  )
  .meta({ id: "Worker" });
export type WorkerView = z.infer<typeof WorkerView>;

export const WorkersResponse = z
  .lazy(() => z.object({ workers: z.array(WorkerView) }))
  .meta({ id: "Workers" });
export type WorkersResponse = z.infer<typeof WorkersResponse>;

export const WorkerParams = z.lazy(() => z.object({ worker: z.string().max(64) }));

/** Absent stays as it is; null goes back to the standard. */
export const WorkerSetRequest = z.lazy(() =>
  z
    .object({
      paused: z.boolean().exactOptional(),
      intervalMs: Interval.nullable().exactOptional(),
      rateBytes: Rate.nullable().exactOptional(),
      tranquility: Tranquility.nullable().exactOptional(),
    })
    .strict(),
);
export type WorkerSetRequest = z.infer<typeof WorkerSetRequest>;

export const WorkerResponse = z.lazy(() => z.object({ worker: WorkerView }));
export type WorkerResponse = z.infer<typeof WorkerResponse>;

export const WorkerRunResponse = z.lazy(() =>
  z.object({
    worker: WorkerView,
    until: z.number().int().describe("The run has ended when `runs` is at least this"),
  }),
);
export type WorkerRunResponse = z.infer<typeof WorkerRunResponse>;

export const WORKER_ENDPOINTS = {
  workers: {
    method: "GET",
    path: "/api/workers",
    tag: "mesh",
    summary: "The background work: state, progress, settings",
    response: WorkersResponse,
  },
  setWorker: {
    method: "PATCH",
    path: "/api/workers/:worker",
    tag: "mesh",
    summary: "Pause, resume or throttle a worker",
    params: WorkerParams,
    body: WorkerSetRequest,
    response: WorkerResponse,
  },
  runWorker: {
    method: "POST",
    path: "/api/workers/:worker/run",
    tag: "mesh",
    summary: "Start a run that does all of the worker's work",
    params: WorkerParams,
    response: WorkerRunResponse,
  },
} as const satisfies Record<string, Endpoint>;
