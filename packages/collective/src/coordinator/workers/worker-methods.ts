/** `worker.*`: the operator looks at the background work, adjusts it and starts runs. */
import { MeshError } from "@hearthmesh/core";
import type { Call, MethodTable } from "../method-table.js";
import type { WorkerInspection } from "./worker.js";
import { readChange } from "./worker-records.js";
import type { WorkerRegistry } from "./worker-registry.js";

const NAME_LENGTH_MAX = 64;

export interface WorkerListResponse {
  readonly workers: readonly WorkerInspection[];
}
/** The run that was asked for has ended when `runs` is at least `until`. */
export interface WorkerRunResponse {
  readonly worker: WorkerInspection;
  readonly until: number;
}

export function workerMethods(workers: WorkerRegistry): MethodTable {
  const nameOf = ({ fields }: Call) => fields.text("name", NAME_LENGTH_MAX);
  return {
    "worker.list": {
      policy: "operator",
      serve: async () => ({ header: { workers: workers.inspect() } satisfies WorkerListResponse }),
    },
    "worker.set": {
      policy: "operator",
      serve: async (call) => {
        const loop = workers.require(nameOf(call));
        await workers.set(loop.name, readChange(call.fields));
        return { header: { worker: loop.inspect() } };
      },
    },
    "worker.run": {
      policy: "operator",
      serve: async (call) => {
        const loop = workers.require(nameOf(call));
        const before = loop.inspect();
        if (before.state === "stopped") throw new MeshError("MESH_STOPPING");
        // A run that is under way began before it was asked for.
        const until = before.runs + (loop.isRunning ? 2 : 1);
        loop.runOnce(true).catch(() => undefined);
        return { header: { worker: loop.inspect(), until } satisfies WorkerRunResponse };
      },
    },
  };
}
