/** An etcd that an earlier daemon left behind holds the data directory; see `endOrphans`. */
import type { Clock, Logger } from "@hearthmesh/core";
import { endOrphans as endAll, processesOf } from "../processes/orphans.js";

const program = "etcd";

export interface OrphanOptions {
  dataDirectory: string;
  clock: Clock;
  log: Logger;
}

/** Ends every etcd that runs on this data directory, and returns how many there were. */
export function endOrphans({ dataDirectory, clock, log }: OrphanOptions): Promise<number> {
  const word = wordOf(dataDirectory);
  return endAll({ program, word, holds: dataDirectory, code: "MESH_ETCD_FAILED", clock, log });
}

/** The ids of all processes that are an etcd on this data directory. */
export function etcdProcesses(dataDirectory: string): Promise<number[]> {
  return processesOf({ program, word: wordOf(dataDirectory) });
}

function wordOf(dataDirectory: string): string {
  return `--data-dir=${dataDirectory}`;
}
