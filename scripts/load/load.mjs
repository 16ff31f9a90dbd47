/** Users that come one after the other and ask until the time is over. */
import { setTimeout as sleep } from "node:timers/promises";
import { Tally } from "./tally.mjs";
import { LoadUser } from "./user.mjs";

/** What a user asks for, and how often among ten requests: the pages of guide 4. */
const REQUESTS = [
  ["/health", 3],
  ["/mesh/status", 3],
  ["/mesh/peers", 2],
  ["/mesh/routes", 2],
].flatMap(([path, weight]) => Array.from({ length: weight }, () => path));

/**
 * Latencies count once all users are there.
 * @param {{
 *   hosts: readonly URL[], users: number, spawnPerSecond: number, seconds: number, waitMs?: number,
 *   requests?: readonly string[],
 * }} options
 */
export async function runLoad(options) {
  const { hosts, users, spawnPerSecond, seconds, waitMs = 0, requests = REQUESTS } = options;
  const state = { tally: undefined, isOver: false };
  const running = [];
  const beganMs = performance.now();
  for (let index = 0; index < users; index++) {
    const dueMs = (index * 1000) / spawnPerSecond - (performance.now() - beganMs);
    if (dueMs > 1) await sleep(dueMs);
    running.push(runUser(hosts[index % hosts.length], index, { waitMs, requests }, state));
  }
  state.tally = new Tally();
  const fromMs = performance.now();
  await sleep(seconds * 1000);
  const { tally } = state;
  const tookSeconds = (performance.now() - fromMs) / 1000;
  state.isOver = true;
  await Promise.all(running);
  return { seconds: tookSeconds, rows: tally.rows(tookSeconds) };
}

async function runUser(host, index, { waitMs, requests }, state) {
  const user = new LoadUser({ hostname: host.hostname, port: Number(host.port) });
  for (let made = index; !state.isOver; made++) {
    const path = requests[made % requests.length];
    const fromMs = performance.now();
    let isFailure = false;
    try {
      isFailure = (await user.get(path)) !== 200;
    } catch {
      isFailure = true;
      // A node that is away would be asked as fast as connections are refused.
      await sleep(100);
    }
    if (!state.isOver) state.tally?.add(`GET ${path}`, performance.now() - fromMs, isFailure);
    if (waitMs > 0) await sleep(waitMs);
  }
  user.close();
}
