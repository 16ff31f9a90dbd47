/** Yggdrasil's daemon as a process that is watched over. */
import type { Clock } from "@hearthmesh/core";
import { CHILD_CRASHES_FAILING } from "../processes/limits.js";
import type { SupervisedChild } from "../processes/supervised-child.js";
import type { ProcessState, SupervisedProcess } from "../processes/supervised-process.js";
import type { OverlayPhase } from "./overlay.js";
import type { YggdrasilView } from "./yggdrasil-machine.js";

export interface YggdrasilProcessOptions {
  view(): YggdrasilView;
  child(): Pick<SupervisedChild, "crashes" | "ends" | "lastEnd" | "restart"> | undefined;
  watch(listener: () => void): () => void;
  readonly clock: Pick<Clock, "monotonicMs">;
}

const STATES: Readonly<Record<OverlayPhase, ProcessState>> = {
  stopped: "stopped",
  starting: "starting",
  up: "running",
  silent: "silent",
  down: "starting",
};

export function yggdrasilProcess(options: YggdrasilProcessOptions): SupervisedProcess {
  const { view, child, watch, clock } = options;
  return {
    name: "yggdrasil",
    state: () => {
      const { phase } = view();
      const isComing = phase === "down" || phase === "starting";
      const hasCrashed = (child()?.crashes ?? 0) >= CHILD_CRASHES_FAILING;
      return isComing && hasCrashed ? "failing" : STATES[phase];
    },
    describe: () => {
      const { phase, sinceMs, reason } = view();
      const seconds = ((clock.monotonicMs() - sinceMs) / 1000).toFixed(1);
      const { ends = 0, lastEnd } = child() ?? {};
      const because = reason === undefined ? "" : `: ${reason}`;
      const times = ends === 1 ? "once" : `${ends} times`;
      const past = ends === 0 ? "" : `; it ended ${times} since the start, last by ${lastEnd}`;
      return `yggdrasil is ${phase} for ${seconds} s${because}${past}`;
    },
    restart: async () => child()?.restart(),
    onChange: watch,
  };
}
