/**
 * One member of a ring for the benchmark: holds a ring worker, as a daemon does, and does what it is
 * told over the channel. Each message `{ id, call, ... }` is answered by `{ id, result | error }`.
 */
import { silentLogger, systemClock } from "@hearthmesh/core";
import { startRingWorker } from "@hearthmesh/pool";
import { peakMemoryBytes, processorMs } from "./processes.mjs";

const never = new AbortController().signal;
let worker;

const calls = {
  async start({ settings }) {
    worker = await startRingWorker({ ...settings, logger: silentLogger, clock: systemClock() });
    worker.onFailure(({ epoch, nodeId, error }) => {
      process.send({ failure: { epoch, nodeId, message: error.message } });
    });
    return { port: worker.port };
  },
  async load({ plan, path }) {
    const startedMs = performance.now();
    await worker.load(plan, path, never);
    return { loadMs: performance.now() - startedMs };
  },
  async generate({ request }) {
    const tokens = [];
    let text = "";
    for await (const event of worker.generate(request, never)) {
      if (event.kind === "text") {
        tokens.push(...event.tokens);
        text += event.text;
        process.send({ progress: tokens.length });
      }
      if (event.kind === "done") return { tokens, text, ...event };
    }
    throw new Error("the answer has no end");
  },
  async stats() {
    const { processId } = worker;
    return {
      stats: await worker.stats(),
      memoryBytes: peakMemoryBytes(processId),
      processorMs: processorMs(processId),
    };
  },
  /** As when the machine loses its power. */
  async kill() {
    process.kill(worker.processId, "SIGKILL");
  },
  async close() {
    await worker.close();
  },
};

process.on("message", async ({ id, call, ...rest }) => {
  try {
    process.send({ id, result: await calls[call](rest) });
  } catch (error) {
    process.send({ id, error: error.message });
  }
});
process.on("disconnect", () => process.exit(0));
