/**
 * Gives back memory that the daemon holds for nothing: a full collection, after which the
 * JavaScript engine returns empty pages to the system. Models are held by processes of their own,
 * which end by themselves when nobody has asked for `ai.idleUnload`.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Clock, sleep } from "@hearthmesh/core";
import type { Remedy, RemedyOutcome } from "@hearthmesh/healing";
import { mebibytes } from "./text.js";

/** The engine returns pages a moment after the collection. */
const RETURNED_AFTER_MS = 500;

export interface ShedMemoryOptions {
  /** Of this process. */
  rssBytes(): number;
  collect(): void;
  readonly clock: Clock;
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

  describe(): string {
    return "collect what the daemon no longer uses, and give it back to the system";
  }

  blockedBy(): string | undefined {
    return undefined;
  }

  async apply(_symptom: unknown, signal: AbortSignal): Promise<RemedyOutcome> {
    const { rssBytes, collect, clock } = this.#options;
    const beforeBytes = rssBytes();
    collect();
    await sleep(clock, RETURNED_AFTER_MS, signal);
    return { did: `the daemon went from ${mebibytes(beforeBytes)} to ${mebibytes(rssBytes())}` };
  }
}

/** A full collection; V8 offers it to programs that ask for it alone. */
export function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as (() => void) | undefined;
  collect?.();
}
