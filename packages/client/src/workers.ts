/** The background work of the member, looked at and adjusted by its operator. */
import { type Clock, sleep } from "@hearthmesh/core";
import type {
  WorkerResponse,
  WorkerRunResponse,
  WorkerSetRequest,
  WorkersResponse,
  WorkerView,
} from "@hearthmesh/gateway/contracts";
import type { ApiClient } from "./api-client.js";

const POLL_MS = 500;

export function listWorkers(api: ApiClient): Promise<WorkersResponse> {
  return api.call("GET", "/api/workers");
}

export function setWorker(
  api: ApiClient,
  name: string,
  change: WorkerSetRequest,
): Promise<WorkerResponse> {
  return api.call("PATCH", `/api/workers/${encodeURIComponent(name)}`, change);
}

export function runWorker(api: ApiClient, name: string): Promise<WorkerRunResponse> {
  return api.call("POST", `/api/workers/${encodeURIComponent(name)}/run`);
}

export interface WaitOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  onProgress?(worker: WorkerView): void;
}

/**
 * Resolves when the run has ended. A new leader counts its runs anew: then any run of it that has
 * ended is enough.
 */
export async function waitForWorker(
  api: ApiClient,
  name: string,
  until: number,
  { clock, signal, onProgress }: WaitOptions,
): Promise<WorkerView | undefined> {
  let wanted = until;
  let seen = 0;
  for (;;) {
    const { workers } = await listWorkers(api);
    const worker = workers.find((one) => one.name === name);
    if (worker === undefined) return undefined;
    if (worker.runs < seen) wanted = 1;
    seen = worker.runs;
    if (worker.runs >= wanted) return worker;
    onProgress?.(worker);
    await sleep(clock, POLL_MS, signal);
  }
}
