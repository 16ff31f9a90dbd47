/** etcd as a child process; see `SupervisedChild`. */
import type { Clock, Logger, Random } from "@hearthmesh/core";
import { SupervisedChild } from "../processes/supervised-child.js";
import { complaintOf } from "./etcd-output.js";

export interface EtcdProcessOptions {
  path: string;
  /** Of every start: an etcd that joined a cluster is started differently the next time. */
  args: () => readonly string[];
  logPath: string;
  searchPath: string | undefined;
  /** Called after each start and each end. */
  onChange?: () => void;
  clock: Clock;
  random: Random;
  log: Logger;
}

export class EtcdProcess extends SupervisedChild {
  constructor(options: EtcdProcessOptions) {
    super({ ...options, name: "etcd", complaintOf });
  }
}
