/** What the examples read from their environment; the defaults are for one machine alone. */
import { networkInterfaces } from "node:os";

const { env } = process;

export const MESH_HOST = env.MESH_HOST ?? "127.0.0.1";
export const MESH_PORT = Number(env.MESH_PORT ?? 9000);
/** Such as `wg0`. Default: the loopback interface, `lo` on Linux and `lo0` on macOS. */
export const MESH_INTERFACE = env.MESH_INTERFACE ?? loopbackName();
/** This node's own address, in the WireGuard network. */
export const MESH_LOCAL_ADDRESS = env.MESH_LOCAL_ADDRESS ?? "127.0.0.1";
export const MESH_NODE_ID = env.MESH_NODE_ID;
export const MESH_REGION = env.MESH_REGION;
/** Send a message to the workers of this region. */
export const MESH_BROADCAST_TO = env.MESH_BROADCAST_TO;
/** `host:port,host:port,...`: the coordinators in the order of preference, and a node's peers. */
export const MESH_COORDINATORS = addresses(
  env.MESH_COORDINATORS ?? "127.0.0.1:9000,127.0.0.1:9001,127.0.0.1:9002",
);
export const MESH_PEERS = addresses(env.MESH_PEERS ?? "");
/** Before the first reconnection; twice as long before each further one. */
export const MESH_RETRY_MS = Number(env.MESH_RETRY_MS ?? 1000);
/** How often a preferred coordinator that was lost is looked for. */
export const MESH_FAIL_BACK_MS = Number(env.MESH_FAIL_BACK_MS ?? 30_000);

let isStopping = false;

/** At SIGTERM or Ctrl-C: `stop` ends what keeps the process alive, and so it ends in order. */
export function onStop(stop: () => Promise<unknown>): void {
  for (const signal of ["SIGTERM", "SIGINT"]) {
    process.once(signal, () => {
      isStopping = true;
      void stop();
    });
  }
}

/** A `connect()` that waits for a server rejects when the process is to end; that is no failure. */
export function unlessStopped(error: unknown): void {
  if (!isStopping) throw error;
}

function addresses(list: string): { host: string; port: number }[] {
  return list
    .split(",")
    .filter((text) => text !== "")
    .map((text) => {
      const colon = text.lastIndexOf(":");
      return { host: text.slice(0, colon), port: Number(text.slice(colon + 1)) };
    });
}

function loopbackName(): string {
  const found = Object.entries(networkInterfaces()).find(([, own]) => own?.[0]?.internal);
  return found?.[0] ?? "lo";
}
