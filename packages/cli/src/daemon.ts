import { setFlagsFromString } from "node:v8";

export type { RestoreReport } from "@hearthmesh/node";

/**
 * The only ways from the commands to the package of the daemon: loaded when it is used, and by
 * nobody else. This one is for commands that work on a home and end.
 */
export function loadDaemon(): Promise<typeof import("@hearthmesh/node")> {
  return import("@hearthmesh/node");
}

/** For commands whose process stays. */
export function loadResident(): Promise<typeof import("@hearthmesh/node/resident")> {
  return import("@hearthmesh/node/resident");
}

/**
 * For commands whose process becomes a node. Loading it makes much garbage once: until the daemon
 * is up, V8 lets a third of what is in use pile up, not three times that, and the node is smaller.
 */
export function loadNode(): ReturnType<typeof loadResident> {
  setFlagsFromString("--optimize-for-size");
  return loadResident();
}
