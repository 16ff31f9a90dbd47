/** The etcd of this node as a process that is watched over. */
import type { Clock } from "@hearthmesh/core";
import { CHILD_CRASHES_FAILING } from "../processes/limits.js";
import type { ProcessState, SupervisedProcess } from "../processes/supervised-process.js";
import type { EtcdProcess } from "./etcd-process.js";
import { ETCD_SILENT_MS } from "./limits.js";
import type { SupervisorStatus } from "./supervisor-status.js";

export interface SupervisedEtcdOptions {
  /** Undefined before the start and after the stop of the supervisor. */
  process():
    | Pick<
        EtcdProcess,
        "wanted" | "running" | "restart" | "startedMs" | "ends" | "lastEnd" | "crashes"
      >
    | undefined;
  /** When it was last seen to answer; undefined when the last look got no answer of it. */
  answeredMs(): number | undefined;
  status(): Pick<SupervisorStatus, "message">;
  onChange(listener: () => void): () => void;
  readonly clock: Pick<Clock, "monotonicMs">;
}

export function supervisedEtcd(options: SupervisedEtcdOptions): SupervisedProcess {
  const state = (): ProcessState => {
    const process = options.process();
    if (process === undefined || !process.wanted) return "stopped";
    const { startedMs } = process;
    const answeredMs = options.answeredMs();
    const hasAnswered = startedMs !== undefined && (answeredMs ?? -1) >= startedMs;
    if (hasAnswered) return "running";
    if (process.crashes >= CHILD_CRASHES_FAILING) return "failing";
    if (startedMs === undefined) return "starting";
    return options.clock.monotonicMs() - startedMs > ETCD_SILENT_MS ? "silent" : "starting";
  };
  return {
    name: "etcd",
    state,
    describe: () => {
      const process = options.process();
      const { message } = options.status();
      if (process === undefined || process.ends === 0) return message;
      const times = process.ends === 1 ? "once" : `${process.ends} times`;
      return `it ended ${times} since the start, last by ${process.lastEnd}; ${message}`;
    },
    restart: async () => options.process()?.restart(),
    onChange: options.onChange,
  };
}
