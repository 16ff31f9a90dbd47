export type { RestoreReport } from "@hearthmesh/node";

/** The only way from the commands to the daemon: loaded when it is run, and by nobody else. */
export function loadDaemon(): Promise<typeof import("@hearthmesh/node")> {
  return import("@hearthmesh/node");
}
