/**
 * A timer for `delay-proxy.mjs` that is precise to some microseconds, where Node's own know whole
 * milliseconds only: a thread that sleeps until a moment, or until another one is set. It shares
 * two numbers with its parent: `version`, which changes with each moment that is set, and that
 * moment.
 */
import { parentPort, workerData } from "node:worker_threads";

const version = new Int32Array(workerData.version);
const dueMs = new Float64Array(workerData.due);
/** The same for all threads, unlike `performance.now()`. */
const nowMs = () => Number(process.hrtime.bigint()) / 1e6;
let told = 0;

for (;;) {
  const seen = Atomics.load(version, 0);
  const leftMs = seen === told ? Number.POSITIVE_INFINITY : dueMs[0] - nowMs();
  if (leftMs > 0) {
    // Ends at once when another moment was set since it was read.
    Atomics.wait(version, 0, seen, leftMs);
    continue;
  }
  told = seen;
  parentPort.postMessage(seen);
}
