/**
 * Gives back memory that nobody uses. Models at rest are unloaded, which is far the most: they are
 * loaded again at the next request. Then the daemon collects what it no longer uses, after which
 * the JavaScript engine returns empty pages to the system.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Clock, sleep } from "@hearthmesh/core";
import type { Remedy, RemedyOutcome, Symptom } from "@hearthmesh/healing";
import type { Unloaded } from "@hearthmesh/pool";
import { MODEL_AWAITED_MS_MAX, MODEL_RESTED_MS_MIN, SHED_BYTES_MIN } from "./limits.js";
import { HEAP_ID } from "./memory-monitor.js";
import type { MemoryReadings } from "./memory-readings.js";
import { mebibytes, seconds } from "./text.js";

/** The engine returns pages a moment after the collection. */
const RETURNED_AFTER_MS = 500;

export interface ShedMemoryOptions {
  read(): Promise<MemoryReadings>;
  collect(): void;
  /** Models that nobody asked for during so long; those of other nodes stay. */
  readonly models: ModelMemory | undefined;
  readonly clock: Clock;
}

interface ModelMemory {
  /** Those that no request runs in now, and since when. */
  resting(): readonly { readonly model: string; readonly restedMs: number }[];
  unloadResting(restedMsMin: number): Promise<readonly Unloaded[]>;
  /** Bytes that this node holds for rings of other nodes. */
  foreignBytes(): number;
}

export class ShedMemory implements Remedy {
  readonly name = "shed-memory";
  readonly handles = ["memory-high"] as const;
  readonly cost = 0.3;
  readonly risk = 0.05;
  readonly verifyWithinMs = 60_000;
  readonly rate = { count: 2, windowMs: 600_000 };
  readonly #options: ShedMemoryOptions;

  constructor(options: ShedMemoryOptions) {
    this.#options = options;
  }

  describe({ subject }: Symptom): string {
    if (!mayUnload(subject)) return "collect what the daemon lets go";
    const rested = seconds(MODEL_RESTED_MS_MIN);
    return `unload models that nobody asked for in ${rested}, and collect what the daemon lets go`;
  }

  /** A model that was used a moment ago is waited for, not passed over: it is far the most. */
  blockedBy({ subject, sinceMs }: Symptom): string | undefined {
    const { models, clock } = this.#options;
    const isLate = clock.monotonicMs() - sinceMs >= MODEL_AWAITED_MS_MAX;
    const resting = models?.resting() ?? [];
    const isReady = resting.some(({ restedMs }) => restedMs >= MODEL_RESTED_MS_MIN);
    const [first] = resting;
    if (first === undefined || isReady || isLate || !mayUnload(subject)) return undefined;
    const rested = seconds(MODEL_RESTED_MS_MIN);
    return `${first.model} was used within the last ${rested}: it is unloaded after that`;
  }

  async apply({ subject }: Symptom, signal: AbortSignal): Promise<RemedyOutcome> {
    const { read, collect, clock } = this.#options;
    const models = mayUnload(subject) ? this.#options.models : undefined;
    const before = await read();
    const unloaded = (await models?.unloadResting(MODEL_RESTED_MS_MIN)) ?? [];
    collect();
    await sleep(clock, RETURNED_AFTER_MS, signal);
    const after = await read();
    const did = [
      ...unloaded.map(unloadText),
      daemonText(before, after),
      ...machineText(before, after),
      ...foreignText(models?.foreignBytes() ?? 0),
    ].join("; ");
    const isLess = before.rssBytes - after.rssBytes >= SHED_BYTES_MIN;
    return { did, changedNothing: unloaded.length === 0 && !isLess };
  }
}

/** Engines are processes of their own: the heap of the daemon has nothing of their memory. */
function mayUnload({ id }: Symptom["subject"]): boolean {
  return id !== HEAP_ID;
}

function unloadText({ model, bytes, restedMs }: Unloaded): string {
  return `unloaded ${model} (${mebibytes(bytes)}), which nobody used for ${seconds(restedMs)}`;
}

function daemonText(before: MemoryReadings, after: MemoryReadings): string {
  return `the daemon went from ${mebibytes(before.rssBytes)} to ${mebibytes(after.rssBytes)}`;
}

/** What came of it where it counts; others use memory meanwhile, so it may also be less. */
function machineText(before: MemoryReadings, after: MemoryReadings): string[] {
  const [had, has] = [before.machine?.availableBytes, after.machine?.availableBytes];
  if (had === undefined || has === undefined) return [];
  return [`the machine went from ${mebibytes(had)} to ${mebibytes(has)} available`];
}

function foreignText(bytes: number): string[] {
  return bytes === 0 ? [] : [`${mebibytes(bytes)} stay, held for rings that other nodes lead`];
}

/** A full collection; V8 offers it to programs that ask for it alone. */
export function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as (() => void) | undefined;
  collect?.();
}
