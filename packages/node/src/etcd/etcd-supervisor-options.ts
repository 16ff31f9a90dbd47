/** What the supervisor of etcd is handed. */
import type { Clock, Logger, Random } from "@hearthmesh/core";
import type { StoreCa } from "@hearthmesh/identity";
import type { StoreConfig } from "../config/config.js";
import type { StoreFiles } from "./store-files.js";

/** What the node knows about the other coordinators; asked at every look. */
export interface OtherCoordinators {
  /** `host:port` of their etcd, as they announced it. */
  storeAddresses: readonly string[];
  /** Those that can be reached now. */
  aliveNodeIds: readonly string[];
}

export interface EtcdSupervisorOptions {
  store: StoreConfig;
  files: StoreFiles;
  /** The store CA of the member; see `ensureStoreCa` and `readStoreCa`. */
  ca: StoreCa;
  nodeId: string;
  nodeName: string;
  trustDomain: string;
  /** Hosts under which the other coordinators reach this machine; may change. */
  hosts: () => readonly string[];
  /** This node made the member: without others it begins the store. */
  mayCreate: boolean;
  others: () => OtherCoordinators;
  /** The operator removed this node. */
  isRemoved: (nodeId: string) => boolean;
  /** The variable PATH, in which etcd is looked for. */
  searchPath: string | undefined;
  /** Shorter times, for tests. */
  times?: { lookMs?: number; lostMs?: number; removedConfirmMs?: number; pauseMs?: number };
  clock: Clock;
  random: Random;
  log: Logger;
}
