/**
 * Ports for nodes on loopback, chosen so that test files which run at the same time, also those of
 * another run on this machine, hardly ever look at the same ones.
 */
import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** The default ports; `--port-base` is added to each. */
const DOORS = [3000, 8001, 9000, 9001, 9002, 9003, 9090];
/** Distance between two nodes, so that no default port of one meets another's. */
export const PORT_STEP = 20;
/** 10,000 and above for the lowest door. */
const FIRST_BASE = 7_000;
/**
 * With it all doors stay below 32,768: from there on Linux gives ports to connections that go out,
 * which nobody sees beforehand.
 */
const LAST_BASE = 22_000;
/**
 * The doors lie a multiple of this apart, but for 100 ports: bases that differ by half of it share
 * none while fewer than 20 nodes stand there.
 */
const PERIOD = 1_000;
const PLACES = (LAST_BASE - FIRST_BASE) / PERIOD + 1;

export function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "0.0.0.0", () => server.close(() => resolve(true)));
  });
}

/**
 * A `--port-base` at which `count` nodes, `PORT_STEP` apart, find all their ports free. Between the
 * look and the start somebody else may take one: see `MeshProcess.ready`, which then says so.
 * @param {number} count
 */
export async function freePortBase(count) {
  const half = (Number(process.env.VITEST_POOL_ID ?? 0) % 2) * (PERIOD / 2);
  const start = randomInt(PLACES);
  for (let tried = 0; tried < PLACES; tried++) {
    const base = FIRST_BASE + ((start + tried) % PLACES) * PERIOD + half;
    const ports = Array.from({ length: count }, (_, index) =>
      DOORS.map((port) => base + index * PORT_STEP + port),
    ).flat();
    const free = await Promise.all(ports.map(isFree));
    if (free.every(Boolean)) return base;
  }
  throw new Error(`no free ports were found for ${count} nodes`);
}
