/** Does what a call answered agree with the state at its place in the order of revisions? */
import type { AtomicCall, Step, StepResult } from "./atomic-calls.js";
import type { HistoryCompare } from "./format.js";
import type { RevisionLog, Version } from "./revision-log.js";

export interface Contradiction {
  readonly words: string;
  /** False when a revision that nobody saw may explain it. */
  readonly isCertain: boolean;
  /** The revision that the answer is at odds with. */
  readonly cause: number;
}

/** `point`: the revision of its own writes, or that of the state it saw. */
export function contradictions(
  log: RevisionLog,
  call: AtomicCall,
  point: number | undefined,
  wrote: boolean,
): Contradiction[] {
  if (point === undefined) return [];
  return new Replay(log, wrote ? point - 1 : point, point).run(call);
}

class Replay {
  readonly #log: RevisionLog;
  readonly #before: number;
  readonly #own: number;
  /** What the call itself wrote so far. */
  readonly #written = new Map<string, Version>();
  readonly #found: Contradiction[] = [];

  constructor(log: RevisionLog, before: number, own: number) {
    this.#log = log;
    this.#before = before;
    this.#own = own;
  }

  run(call: AtomicCall): Contradiction[] {
    this.#compare(call);
    if (this.#found.length > 0) return this.#found;
    const steps = call.succeeded === false ? call.failure : call.success;
    for (const [index, step] of steps.entries()) this.#step(step, call.results[index]);
    return this.#found;
  }

  #at(key: string): Version {
    return this.#written.get(key) ?? this.#log.at(key, this.#before);
  }

  #compare({ compare, succeeded }: AtomicCall): void {
    if (succeeded === undefined || compare.length === 0) return;
    const failing = compare.filter((item) => !holds(item, this.#at(item.key)));
    const cause = failing[0] ?? compare[0];
    if ((failing.length === 0) === succeeded || cause === undefined) return;
    const words = succeeded
      ? `it wrote on the condition ${describe(cause)}, but ${this.#is(cause.key)}`
      : `its condition was said not to hold, but it did: ${compare.map(describe).join(", ")}`;
    const keys = (succeeded ? failing : compare).map(({ key }) => key);
    this.#add(words, keys, this.#at(cause.key).revision);
  }

  #step(step: Step, result: StepResult | undefined): void {
    if (step.type === "range") {
      if (result?.entries !== undefined) this.#range(step.prefix, result.entries);
      return;
    }
    const { key } = step;
    const is = this.#at(key);
    if (step.type === "get" && result?.value !== undefined) this.#get(key, result);
    if (step.type === "delete" && result?.deleted !== undefined) {
      if (result.deleted > 0 !== (is.value !== null)) {
        this.#add(
          `it deleted ${result.deleted} of ${key}, but ${this.#is(key)}`,
          [key],
          is.revision,
        );
      }
    }
    if (step.type === "get") return;
    const value = step.type === "put" ? (step.value ?? "") : null;
    const revisions = value === null ? { modRevision: 0, createRevision: 0 } : this.#made(is);
    this.#written.set(key, { revision: this.#own, value, ...revisions });
  }

  #made(is: Version): Pick<Version, "modRevision" | "createRevision"> {
    return { modRevision: this.#own, createRevision: is.createRevision || this.#own };
  }

  #get(key: string, { value, modRevision }: StepResult): void {
    const is = this.#at(key);
    const sameRevision = modRevision === undefined || modRevision === is.modRevision;
    if (is.value === value && sameRevision) return;
    const read = value === null ? "missing" : `${value} of revision ${modRevision}`;
    // Something newer was there for certain, whatever else may have come after it.
    const isOlder = value !== null && modRevision !== undefined && modRevision < is.revision;
    const words = `it read ${key} as ${read}, but ${this.#is(key)}`;
    this.#add(words, isOlder ? [] : [key], is.revision);
  }

  #range(prefix: string, entries: NonNullable<StepResult["entries"]>): void {
    const read = new Map(entries.map((entry) => [entry.key, entry]));
    const known = [...this.#log.keys()].filter((key) => key.startsWith(prefix));
    for (const key of new Set([...known, ...read.keys()])) {
      const { value = null, modRevision = 0 } = read.get(key) ?? {};
      this.#get(key, { value, modRevision });
    }
  }

  #is(key: string): string {
    const { value, revision, modRevision } = this.#at(key);
    if (value !== null) return `it was ${value} of revision ${modRevision}`;
    return `it was missing since revision ${revision}`;
  }

  /** `keys`: those whose state must be known for certain, back to the revision that wrote it. */
  #add(words: string, keys: readonly string[], cause: number): void {
    const isCertain = keys.every((key) =>
      this.#log.isKnownBetween(this.#log.at(key, this.#before).revision, this.#before),
    );
    this.#found.push({ words, isCertain, cause });
  }
}

function holds(compare: HistoryCompare, is: Version): boolean {
  if (compare.value !== undefined) return is.value === compare.value;
  if (compare.modRevision !== undefined) return is.modRevision === compare.modRevision;
  return is.createRevision === (compare.createRevision ?? 0);
}

function describe({ key, value, modRevision, createRevision }: HistoryCompare): string {
  if (value !== undefined) return `${key} = ${value ?? "missing"}`;
  if (modRevision !== undefined) return `modRevision of ${key} = ${modRevision}`;
  return `createRevision of ${key} = ${createRevision}`;
}
