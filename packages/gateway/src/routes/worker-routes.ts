/** The background work, for operators: asked of the coordinator that leads, wherever it runs. */
import type { WorkerInspection } from "@hearthmesh/collective";
import { WORKER_ENDPOINTS, type WorkerView } from "../contracts/workers.js";
import { defineRoute, type Route } from "../server/route.js";
import type { GatewayServices } from "../services.js";

export function workerRoutes({ coordinator }: Pick<GatewayServices, "coordinator">): Route[] {
  return [
    defineRoute(WORKER_ENDPOINTS.workers, "operator", async ({ caller }) => {
      const { header } = await coordinator.call(caller.principal, "worker.list", {});
      const { workers } = header as { workers: WorkerInspection[] };
      return { workers: workers.map(workerView) };
    }),
    defineRoute(WORKER_ENDPOINTS.setWorker, "operator", async ({ params, body, caller }) => {
      const request = { name: params.worker, ...body };
      const { header } = await coordinator.call(caller.principal, "worker.set", request);
      return { worker: workerView((header as { worker: WorkerInspection }).worker) };
    }),
    defineRoute(WORKER_ENDPOINTS.runWorker, "operator", async ({ params, caller }) => {
      const request = { name: params.worker };
      const { header } = await coordinator.call(caller.principal, "worker.run", request);
      const { worker, until } = header as { worker: WorkerInspection; until: number };
      return { worker: workerView(worker), until };
    }),
  ];
}

function workerView(worker: WorkerInspection): WorkerView {
  const { name, purpose, state, done, errors, bytes, queue, runs, intervalMs } = worker;
  return {
    ...{ name, purpose, state, done, errors, bytes, queue, runs, intervalMs },
    position: worker.position ?? null,
    portion: worker.portion ?? null,
    lastRun: worker.lastRun ?? null,
    lastError: worker.lastError ?? null,
    nextRunMs: worker.nextRunMs ?? null,
    settings: { ...worker.settings },
  };
}
