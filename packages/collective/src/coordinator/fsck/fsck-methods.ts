/** `fsck.run` and `fsck.report`: the operator asks for a check and reads what it found. */
import type { MethodTable } from "../method-table.js";
import type { WorkerRegistry } from "../workers/worker-registry.js";
import type { Fsck } from "./fsck.js";

export const FSCK_WORKER = "fsck";

export function fsckMethods(fsck: Fsck, workers: WorkerRegistry): MethodTable {
  return {
    "fsck.run": {
      policy: "operator",
      serve: async ({ fields }) => {
        const worker = workers.require(FSCK_WORKER);
        fsck.repairNext(fields.flag("repair"));
        const until = worker.inspect().runs + (worker.isRunning ? 2 : 1);
        worker.runOnce(true).catch(() => undefined);
        return { header: { until } };
      },
    },
    "fsck.report": {
      policy: "operator",
      serve: async () => {
        // Findings may be many: they travel as the body.
        const { report } = fsck;
        const body = Buffer.from(JSON.stringify({ report: report ?? null }), "utf8");
        return { header: {}, body };
      },
    },
  };
}
