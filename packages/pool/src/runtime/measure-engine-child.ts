/** The process of `measure-engine.ts`: measures what it is told, answers, and ends. */
import { type Clock, silentLogger, systemClock, toErrorRecord } from "@hearthmesh/core";
import type { Bandwidth } from "../engine/ggml/measure-bandwidth.js";
import type { EngineMeasureAnswer, EngineMeasureOptions } from "./measure-engine.js";

const REFERENCE_WEIGHTS = 1 << 20;
const REFERENCE_MEASURE_MS = 200;

async function measure(options: EngineMeasureOptions): Promise<readonly Bandwidth[]> {
  const { engine, threadCounts, libraryFolder } = options;
  const clock = systemClock();
  if (engine === "reference") return [{ threads: 1, bytesPerSecond: measureReference(clock) }];
  const { measureBandwidth } = await import("../engine/ggml/measure-bandwidth.js");
  return measureBandwidth(threadCounts, { logger: silentLogger, libraryFolder, clock });
}

/** The reference keeps every weight as a number of 8 bytes; files have about one byte for it. */
function measureReference(clock: Clock): number {
  const weights = new Float64Array(REFERENCE_WEIGHTS).fill(0.5);
  const x = new Float64Array(1024).fill(0.25);
  const startedAtMs = clock.monotonicMs();
  let sum = 0;
  let rounds = 0;
  let elapsedMs = 0;
  while (elapsedMs < REFERENCE_MEASURE_MS) {
    for (let index = 0; index < weights.length; index++) {
      sum += (weights[index] ?? 0) * (x[index & 1023] ?? 0);
    }
    rounds++;
    elapsedMs = clock.monotonicMs() - startedAtMs;
  }
  return Number.isFinite(sum) ? (rounds * REFERENCE_WEIGHTS * 1000) / elapsedMs : 0;
}

function answer(message: EngineMeasureAnswer): void {
  process.send?.(message, () => process.disconnect());
}

process.once("message", (options) => {
  measure(options as EngineMeasureOptions).then(
    (measured) => answer({ measured }),
    (error: unknown) => answer({ error: toErrorRecord(error) }),
  );
});
process.once("disconnect", () => process.exit(0));
