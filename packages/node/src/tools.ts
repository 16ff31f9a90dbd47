/** What every part of the daemon is handed: time, chance and the log. */
import type { Clock, Logger, Random } from "@hearthmesh/core";
import type { Overlay } from "./overlay/overlay.js";
import type { NodeTraces } from "./trace/node-traces.js";

export interface Tools {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Undefined in tests that follow no request. */
  readonly traces?: NodeTraces;
}

/** What there is before a node is put together; everything else is made of it. */
export interface NodeTools extends Tools {
  /** Undefined without one. */
  readonly overlay: Overlay | undefined;
}
