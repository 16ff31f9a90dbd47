/**
 * One member of a ring for the benchmark: holds a ring worker, as a daemon does, and does what it
 * is told over the channel. Each message `{ id, call, ... }` is answered by `{ id, result | error
 * }`.
 */
import { createPrivateKey } from "node:crypto";
import { silentLogger, systemClock } from "@hearthmesh/core";
import { measureEngine, startRingWorker } from "@hearthmesh/pool";
import { dialLink, linkIdentityOf, listenLinks, tlsTransport } from "@hearthmesh/qwormhole";
import { peakMemoryBytes, processorMs } from "./processes.mjs";

const never = new AbortController().signal;
/** Round trips of a measurement, of which the least counts, as for a daemon. */
const PINGS = 12;
let worker;
let credentials;

const transport = tlsTransport({ credentials: () => credentials });
const linkOptions = () => ({
  identity: linkIdentityOf(createPrivateKey(credentials.keyPem)),
  handlers: { onRequest: async ({ body }) => body },
});

const calls = {
  async start({ settings }) {
    credentials = settings.credentials;
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
  /** `tellsProgress`: after each event, how many tokens there are. */
  async generate({ request, tellsProgress }) {
    const tokens = [];
    let text = "";
    for await (const event of worker.generate(request, never)) {
      if (event.kind === "text") {
        tokens.push(...event.tokens);
        text += event.text;
        if (tellsProgress) process.send({ progress: tokens.length });
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
  /** What this member's agent would measure of its engine, on the cores that it has. */
  async bandwidth({ threads }) {
    const options = { engine: "ggml", threadCounts: [threads], libraryFolder: undefined };
    const [measured] = await measureEngine(options, systemClock(), never);
    return measured.bytesPerSecond;
  },
  /** Takes links, as an agent does beside the ring. */
  async listen({ host }) {
    const { address } = await listenLinks(transport, { host, port: 0 }, linkOptions(), () => {});
    return { port: address.port };
  },
  /** The round trip to another member as its agent would measure it. */
  async roundTrip({ address }) {
    const link = await dialLink(transport, address, linkOptions());
    const roundTripsMs = [];
    for (let count = 0; count < PINGS; count++) {
      const startedMs = performance.now();
      await link.request("ping", new Uint8Array(8));
      roundTripsMs.push(performance.now() - startedMs);
    }
    link.close();
    return Math.min(...roundTripsMs);
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
