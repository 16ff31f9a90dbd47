/** What this machine can do for models: free memory from the system, bandwidth by measuring. */
import { availableParallelism, freemem, totalmem } from "node:os";
import type { Clock, Logger } from "@hearthmesh/core";
import { errorFields, isMeshError } from "@hearthmesh/core";
import type { HostMeasures, measureEngine } from "@hearthmesh/pool";
import type { AiConfig } from "../config/config.js";
import { processCpuMs } from "../processes/process-cpu.js";
import type { AiRecords } from "./ai-records.js";
import { unavailableOf } from "./unavailable-of.js";

/** A measurement of the engine holds so long; the machine may have changed after it. */
const BANDWIDTH_FRESH_MS = 7 * 24 * 3_600_000;
/** Left to the system and to other programs: this, or a part of all memory when that is less. */
const RESERVE_BYTES_MAX = 512 * 2 ** 20;
const RESERVE_PART = 0.1;

export interface AiHostOptions {
  readonly config: AiConfig;
  readonly hasRole: boolean;
  readonly records: AiRecords<"measured">;
  readonly clock: Clock;
  readonly log: Logger;
  /** In a process of its own. */
  readonly measure: typeof measureEngine;
  /** Bytes that the shards of this node hold now. */
  heldBytes(): number;
}

interface Measured {
  readonly v: 1;
  readonly engine: "ggml" | "reference";
  readonly threads: number;
  readonly bytesPerSecond: number;
  readonly measuredAtMs: number;
}

export class AiHost implements HostMeasures {
  readonly #options: AiHostOptions;
  #measuring: Promise<Measured> | undefined;

  constructor(options: AiHostOptions) {
    this.#options = options;
  }

  get unavailable(): string | undefined {
    const { config, hasRole } = this.#options;
    return unavailableOf(config, hasRole);
  }

  get threads(): number {
    return threadsOf(this.#options.config);
  }

  memoryBytes(): number {
    const { config, heldBytes } = this.#options;
    const free = freeBytes() - Math.min(RESERVE_BYTES_MAX, totalmem() * RESERVE_PART);
    const allowed = (config.memoryBytesMax ?? Number.POSITIVE_INFINITY) - heldBytes();
    return Math.max(0, Math.floor(Math.min(free, allowed)));
  }

  cpuMs(processId: number): Promise<number | undefined> {
    return processCpuMs(processId);
  }

  async bandwidth(signal: AbortSignal) {
    const { bytesPerSecond, measuredAtMs } = await this.measured(signal);
    return { bytesPerSecond, measuredAtMs };
  }

  /** As it was kept, or measured now; several callers wait for one measurement. */
  measured(signal: AbortSignal): Promise<Measured> {
    const measuring = this.#measuring ?? this.#keptOrMeasured();
    this.#measuring = measuring;
    measuring.catch(() => {
      this.#measuring = undefined;
    });
    return abortable(measuring, signal);
  }

  /** Measures again, for `mesh bench engine`. */
  async measureNow(threads: number | undefined, signal: AbortSignal): Promise<Measured> {
    const measured = await this.#measure(threads ?? this.threads, signal);
    if (measured.threads !== this.threads) return measured;
    this.#measuring = Promise.resolve(measured);
    await this.#options.records.write("measured", measured);
    return measured;
  }

  async #keptOrMeasured(): Promise<Measured> {
    const { clock, records } = this.#options;
    const kept = readMeasured(await records.read("measured"));
    const { engine } = this.#options.config;
    const fits = kept?.threads === this.threads && (engine === "auto" || kept.engine === engine);
    const ageMs = clock.nowMs() - (kept?.measuredAtMs ?? 0);
    if (kept !== undefined && fits && ageMs >= 0 && ageMs < BANDWIDTH_FRESH_MS) return kept;
    const measured = await this.#measure(this.threads, new AbortController().signal);
    await records.write("measured", measured);
    return measured;
  }

  async #measure(threads: number, signal: AbortSignal): Promise<Measured> {
    const { config, clock, log } = this.#options;
    const libraryFolder = process.env.MESH_GGML_DIR;
    const measure = async (engine: Measured["engine"]): Promise<Measured> => {
      const options = { engine, threadCounts: [threads], libraryFolder };
      const [first] = await this.#options.measure(options, clock, signal);
      const bytesPerSecond = first?.bytesPerSecond ?? 0;
      return { v: 1, engine, threads, bytesPerSecond, measuredAtMs: clock.nowMs() };
    };
    if (config.engine !== "auto") return measure(config.engine);
    try {
      return await measure("ggml");
    } catch (error) {
      if (!isMeshError(error, "MESH_ENGINE_MISSING")) throw error;
      log.warn("the engine in TypeScript is used: slow, for small models", errorFields(error));
      return measure("reference");
    }
  }
}

function threadsOf({ threads }: AiConfig): number {
  return threads ?? Math.max(1, availableParallelism() - 1);
}

/** Within the limits of a container too, where Node knows of them. */
function freeBytes(): number {
  const { availableMemory } = process as { availableMemory?: () => number };
  return Math.min(freemem(), availableMemory?.() ?? Number.POSITIVE_INFINITY);
}

function readMeasured(value: unknown): Measured | undefined {
  const { v, engine, threads, bytesPerSecond, measuredAtMs } = (value ?? {}) as Partial<Measured>;
  const isEngine = engine === "ggml" || engine === "reference";
  if (v !== 1 || !isEngine || typeof threads !== "number") return undefined;
  if (typeof bytesPerSecond !== "number" || !(bytesPerSecond > 0)) return undefined;
  if (typeof measuredAtMs !== "number") return undefined;
  return { v, engine, threads, bytesPerSecond, measuredAtMs };
}

/** The work goes on for others when one caller goes. */
function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
