/** A job that must run at one machine at a time, and whose late writes must not count. */
import { setTimeout as sleep } from "node:timers/promises";
import { close, keyValue, locks, NAME, signal } from "./environment.js";

const LOCK = "example/nightly";

const options = { ttlMs: 10_000, waitMs: 60_000, holder: NAME, signal };
await locks.withLock(LOCK, options, async (held) => {
  console.log(`[${NAME}] works`);
  await sleep(300, undefined, { signal: held.signal });
  // Refused with MESH_LOCK_LOST when somebody else holds the lock by now.
  const fence = { lock: LOCK, token: held.token };
  await keyValue.put("example/report", `made by ${NAME}`, { fence, signal: held.signal });
  console.log(`[${NAME}] is done`);
});
close();
