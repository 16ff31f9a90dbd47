/** Gives back memory that nobody uses: models at rest, caches, and what the heap holds for nothing. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { errorFields, type Logger } from "@hearthmesh/core";
import type { Remedy, RemedyOutcome } from "@hearthmesh/healing";
import { mebibytes } from "./text.js";

/** Something that holds memory which it can do without. */
export interface MemoryHolder {
  /** For people: "models that nobody uses". */
  readonly name: string;
  /** Idempotent. Returns what was done, in the past tense; undefined when there was nothing. */
  shed(signal: AbortSignal): Promise<string | undefined>;
}

export interface ShedMemoryOptions {
  readonly holders: readonly MemoryHolder[];
  /** Of this process. */
  rssBytes(): number;
  /** Has the JavaScript engine give back what is not in use. */
  collect(): void;
  readonly log: Logger;
}

export class ShedMemory implements Remedy {
  readonly name = "shed-memory";
  readonly handles = ["memory-high"] as const;
  readonly cost = 0.4;
  readonly risk = 0.1;
  readonly verifyWithinMs = 60_000;
  readonly rate = { count: 2, windowMs: 600_000 };
  readonly #options: ShedMemoryOptions;

  constructor(options: ShedMemoryOptions) {
    this.#options = options;
  }

  describe(): string {
    const names = [...this.#options.holders.map(({ name }) => name), "unused memory of the heap"];
    return `give back ${names.join(", ")}`;
  }

  blockedBy(): string | undefined {
    return undefined;
  }

  async apply(_symptom: unknown, signal: AbortSignal): Promise<RemedyOutcome> {
    const { holders, rssBytes, collect, log } = this.#options;
    const beforeBytes = rssBytes();
    const done: string[] = [];
    for (const holder of holders) {
      signal.throwIfAborted();
      try {
        const did = await holder.shed(signal);
        if (did !== undefined) done.push(did);
      } catch (error) {
        log.warn(`${holder.name} could not be given back`, errorFields(error));
        done.push(`${holder.name} could not be given back`);
      }
    }
    collect();
    done.push(`the daemon went from ${mebibytes(beforeBytes)} to ${mebibytes(rssBytes())}`);
    return { did: done.join("; ") };
  }
}

/** A full collection; V8 offers it to programs that ask for it alone. */
export function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as (() => void) | undefined;
  collect?.();
}
