/**
 * What each revision changed, as far as anybody saw it: from the answers of writes, from watches,
 * and from reads, which tell the revision that wrote what they found.
 */
import { type AtomicCall, didWrite } from "./atomic-calls.js";
import type { Call } from "./calls.js";
import type { HistoryBatch } from "./format.js";

/** Null stands for a deletion. */
export type Changes = ReadonlyMap<string, string | null>;

export interface LogEntry {
  readonly revision: number;
  readonly changes: Map<string, string | null>;
  /** The call whose answer had this revision, or the only one that can have written it. */
  call: AtomicCall | undefined;
  /** Prefixes under which nothing else was changed; the empty one is everything. */
  readonly wholeUnder: Set<string>;
}

/** What a key held from a revision on; `value` is null when it was missing. */
export interface Version {
  readonly revision: number;
  readonly value: string | null;
  /** 0 when it was missing. */
  readonly modRevision: number;
  readonly createRevision: number;
}

/** What a call that wrote changed; its answer decides which branch. */
export function effectsOf(call: AtomicCall, succeeded: boolean): Map<string, string | null> {
  const effects = new Map<string, string | null>();
  for (const [index, step] of (succeeded ? call.success : call.failure).entries()) {
    if (step.type === "put") effects.set(step.key, step.value ?? "");
    const deleted = call.results[index]?.deleted;
    if (step.type === "delete" && deleted !== 0) effects.set(step.key, null);
  }
  return effects;
}

export function batchesOf({ invoke, answer }: Call): readonly HistoryBatch[] {
  return invoke.op === "watch" ? (answer?.batches ?? []) : [];
}

export function changesOf(batch: HistoryBatch): Map<string, string | null> {
  return new Map(
    batch.events.map(({ type, key, value }) => [key, type === "delete" ? null : (value ?? "")]),
  );
}

/** Two answers, or two reads, that cannot both be true. */
export interface LogConflict {
  readonly words: string;
  readonly calls: readonly (Call | undefined)[];
}

export class RevisionLog {
  readonly entries = new Map<number, LogEntry>();
  readonly conflicts: LogConflict[] = [];
  readonly #startRevision: number;
  readonly #versions = new Map<string, Version[]>();
  /** For each revision after the start: how many up to it nobody saw in full. */
  #unseen: number[] = [];

  constructor(startRevision: number, atomic: readonly AtomicCall[], calls: readonly Call[]) {
    this.#startRevision = startRevision;
    for (const call of atomic) this.#addWrite(call);
    for (const call of calls) this.#addWatch(call);
    for (const call of atomic) this.#addReads(call);
    this.#index(calls);
  }

  #entry(revision: number): LogEntry {
    let entry = this.entries.get(revision);
    if (entry === undefined) {
      entry = { revision, changes: new Map(), call: undefined, wholeUnder: new Set() };
      this.entries.set(revision, entry);
    }
    return entry;
  }

  #addWrite(call: AtomicCall): void {
    if (!didWrite(call) || call.revision === undefined) return;
    const entry = this.#entry(call.revision);
    if (entry.call !== undefined) {
      const words = `two writes were both answered with revision ${call.revision}`;
      this.conflicts.push({ words, calls: [entry.call, call] });
      return;
    }
    entry.call = call;
    entry.wholeUnder.add("");
    for (const [key, value] of effectsOf(call, call.succeeded === true)) {
      entry.changes.set(key, value);
    }
  }

  /** What it says of writes that were answered is compared by `check-watches.ts`. */
  #addWatch(call: Call): void {
    const prefix = call.invoke.prefix ?? "";
    for (const batch of batchesOf(call)) {
      const entry = this.#entry(batch.revision);
      const isKnown = [...entry.wholeUnder].some((known) => prefix.startsWith(known));
      if (isKnown) continue;
      entry.wholeUnder.add(prefix);
      for (const [key, value] of changesOf(batch)) entry.changes.set(key, value);
    }
  }

  #addReads(call: AtomicCall): void {
    const steps = call.succeeded === false ? call.failure : call.success;
    for (const [index, result] of call.results.entries()) {
      const step = steps[index];
      if (step?.type === "get" && typeof result.value === "string") {
        this.#addRead(call, step.key, result.value, result.modRevision);
      }
      for (const entry of result.entries ?? []) {
        this.#addRead(call, entry.key, entry.value, entry.modRevision);
      }
    }
  }

  #addRead(call: AtomicCall, key: string, value: string, modRevision = 0): void {
    // A read of the transaction's own put, or one without a revision, tells nothing new.
    if (modRevision <= this.#startRevision) return;
    const entry = this.#entry(modRevision);
    const known = entry.changes.get(key);
    const isWhole = [...entry.wholeUnder].some((prefix) => key.startsWith(prefix));
    if (known === undefined && !isWhole) entry.changes.set(key, value);
    else if (known !== value) {
      const was = known === undefined ? "nothing" : known === null ? "a deletion" : known;
      const words =
        `${key} was read as ${value}, written by revision ${modRevision}; ` +
        `that revision wrote ${was} there`;
      this.conflicts.push({ words, calls: [entry.call, call] });
    }
  }

  #index(calls: readonly Call[]): void {
    const sorted = [...this.entries.values()].sort((a, b) => a.revision - b.revision);
    for (const { revision, changes } of sorted) {
      for (const [key, value] of changes) {
        const versions = this.#versions.get(key) ?? [];
        const createRevision = versions.at(-1)?.createRevision || revision;
        const [modRevision, created] = value === null ? [0, 0] : [revision, createRevision];
        versions.push({ revision, value, modRevision, createRevision: created });
        this.#versions.set(key, versions);
      }
    }
    const last = sorted.at(-1)?.revision ?? this.#startRevision;
    const seen = new Uint8Array(Math.max(0, last - this.#startRevision) + 1);
    const mark = (revision: number) => {
      const place = revision - this.#startRevision;
      if (place >= 0 && place < seen.length) seen[place] = 1;
    };
    for (const entry of sorted) if (entry.wholeUnder.has("")) mark(entry.revision);
    for (const call of calls) {
      if (call.invoke.op !== "watch" || call.invoke.prefix !== "") continue;
      const until = batchesOf(call).at(-1)?.revision ?? 0;
      for (let at = call.invoke.fromRevision ?? 0; at <= until; at++) mark(at);
    }
    let count = 0;
    this.#unseen = Array.from(seen, (isSeen, place) => {
      if (place > 0 && isSeen === 0) count++;
      return count;
    });
  }

  /** All revisions in `from < revision <= to` were seen in full. */
  isKnownBetween(from: number, to: number): boolean {
    const count = (revision: number) => {
      const place = Math.min(revision - this.#startRevision, this.#unseen.length - 1);
      return place < 0 ? 0 : (this.#unseen[place] ?? 0);
    };
    const last = this.#startRevision + this.#unseen.length - 1;
    return to <= last && count(to) === count(from);
  }

  keys(): IterableIterator<string> {
    return this.#versions.keys();
  }

  /** In order of revision. */
  versionsOf(key: string): readonly Version[] {
    return this.#versions.get(key) ?? [];
  }

  /** What the key held at that revision. */
  at(key: string, revision: number): Version {
    const versions = this.versionsOf(key);
    return versions[firstAfter(versions, revision) - 1] ?? this.#missing();
  }

  /** What the key held next, or undefined. */
  nextAfter(key: string, revision: number): Version | undefined {
    const versions = this.versionsOf(key);
    return versions[firstAfter(versions, revision)];
  }

  #missing(): Version {
    return { revision: this.#startRevision, value: null, modRevision: 0, createRevision: 0 };
  }
}

function firstAfter(versions: readonly Version[], revision: number): number {
  let low = 0;
  let high = versions.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((versions[middle]?.revision ?? 0) > revision) high = middle;
    else low = middle + 1;
  }
  return low;
}
