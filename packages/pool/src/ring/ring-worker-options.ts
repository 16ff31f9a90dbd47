/** What a worker is started with, and what its starter gets. */
import type { Clock, Logger, NodeId } from "@hearthmesh/core";
import type { RingWorker } from "./ring-worker.js";
import type { RingCredentials } from "./tensor-plane.js";

export interface RingWorkerOptions {
  /** Certificate, key and CA of this node, as PEM. They never stand in arguments or variables. */
  readonly credentials: RingCredentials;
  readonly nodeId: NodeId;
  /** Where the tensor plane listens; port 0: any. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly engine: "ggml" | "reference";
  /** Where ggml's libraries are; undefined: the installed package. */
  readonly libraryFolder?: string | undefined;
  /** `auto`, or a device's name. */
  readonly device?: string | undefined;
  readonly threads: number;
  /** Weights, caches and scratch together. */
  readonly memoryBytesMax: number;
  /** Requests that compute at the same time, each with a cache of its own. */
  readonly sequencesMax: number;
  /** Rows of one prefill chunk. */
  readonly batchRowsMax: number;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Compiled entry of the process, where it does not lie beside this file. */
  readonly entry?: string | undefined;
}

/** A `RingWorker` whose process may be started again after it died. */
export interface RestartableRingWorker extends RingWorker {
  /**
   * Starts a new process, on the same port when it is free. What was loaded is gone: the next plan
   * loads it again. Does nothing while the process lives.
   */
  restart(): Promise<void>;
  /** For new connections, when the node's certificate was renewed. */
  setCredentials(credentials: RingCredentials): void;
}
