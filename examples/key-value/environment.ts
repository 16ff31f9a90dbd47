/** What the examples share: the node that they ask, and a signal for Ctrl-C. */
import { ApiClient, KeyValueClient, LockClient } from "@hearthmesh/client";
import { systemClock, systemRandom } from "@hearthmesh/core";

const { env } = process;
const [clock, random] = [systemClock(), systemRandom()];

/** Tells the processes of a scene apart. */
export const NAME = env.MESH_NAME ?? `process ${process.pid}`;

/** The node that runs on this machine. */
const door = new ApiClient({
  loopbackUrl: env.MESH_URL ?? "http://127.0.0.1:3000",
  clock,
  random,
});
export const keyValue = new KeyValueClient({ door, clock, random });
export const locks = new LockClient({ door, clock, random });
export const close = () => door.close();

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"]) process.once(name, () => stop.abort());
export const signal: AbortSignal = stop.signal;
