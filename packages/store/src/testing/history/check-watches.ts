/**
 * A watch gives exactly the writes of its range, from its first revision on, in their order: none
 * twice, none left out, no transaction split, and none before somebody asked for it.
 */
import type { Call } from "./calls.js";
import type { HistoryBatch } from "./format.js";
import { batchesOf, type Changes, changesOf, type RevisionLog } from "./revision-log.js";
import type { Findings } from "./verdict.js";

const RULE = "watch";

/** Gives the number of batches. */
export function checkWatches(log: RevisionLog, calls: readonly Call[], findings: Findings): number {
  const revisions = [...log.entries.keys()].sort((a, b) => a - b);
  let count = 0;
  for (const call of calls) {
    if (call.invoke.op !== "watch") continue;
    count += batchesOf(call).length;
    new WatchCheck(log, call, findings).run(revisions);
  }
  return count;
}

class WatchCheck {
  readonly #log: RevisionLog;
  readonly #call: Call;
  readonly #findings: Findings;
  readonly #prefix: string;

  constructor(log: RevisionLog, call: Call, findings: Findings) {
    this.#log = log;
    this.#call = call;
    this.#findings = findings;
    this.#prefix = call.invoke.prefix ?? "";
  }

  /** `revisions` are all that are known, in order. */
  run(revisions: readonly number[]): void {
    const batches = batchesOf(this.#call);
    const from = this.#call.invoke.fromRevision ?? 0;
    let last = from - 1;
    for (const batch of batches) {
      if (batch.revision <= last) {
        const words = last < from ? `before its start at ${from}` : `after that of ${last}`;
        this.#problem(`it gave the batch of revision ${batch.revision} ${words}`, batch.revision);
      }
      last = Math.max(last, batch.revision);
      this.#compare(batch);
    }
    const given = new Set(batches.map(({ revision }) => revision));
    for (let place = firstFrom(revisions, from); place < revisions.length; place++) {
      const revision = revisions[place] ?? 0;
      if (revision > last) break;
      if (given.has(revision)) continue;
      const [key] = this.#inRange(this.#log.entries.get(revision)?.changes).keys();
      if (key === undefined) continue;
      this.#problem(`it left out revision ${revision}, which wrote ${key}`, revision);
    }
  }

  #compare(batch: HistoryBatch): void {
    const { revision, time } = batch;
    const entry = this.#log.entries.get(revision);
    const changes = changesOf(batch);
    if (changes.size !== batch.events.length) {
      this.#problem(`its batch of revision ${revision} names a key twice`, revision);
    }
    const outside = [...changes.keys()].find((key) => !key.startsWith(this.#prefix));
    if (outside !== undefined) {
      this.#problem(`its batch of revision ${revision} has ${outside}, out of range`, revision);
    }
    const expected = this.#inRange(entry?.changes);
    const isWhole = [...(entry?.wholeUnder ?? [])].some((under) => this.#prefix.startsWith(under));
    const wrong =
      [...changes].find(([key, value]) => isWhole && expected.get(key) !== value) ??
      [...expected].find(([key, value]) => changes.get(key) !== value);
    if (wrong !== undefined) {
      const [key] = wrong;
      const words = `its batch of revision ${revision} has ${told(changes, key)}`;
      this.#problem(`${words}, the write itself ${told(expected, key)}`, revision);
    }
    if (entry?.call !== undefined && entry.call.startUs > time) {
      this.#problem(`it gave revision ${revision} before the write was asked for`, revision);
    }
  }

  #inRange(changes: Changes = new Map()): Map<string, string | null> {
    return new Map([...changes].filter(([key]) => key.startsWith(this.#prefix)));
  }

  #problem(words: string, revision: number): void {
    this.#findings.problem(RULE, words, [this.#log.entries.get(revision)?.call, this.#call]);
  }
}

/** The place of the first that is not below. */
function firstFrom(revisions: readonly number[], from: number): number {
  let low = 0;
  let high = revisions.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((revisions[middle] ?? 0) >= from) high = middle;
    else low = middle + 1;
  }
  return low;
}

function told(changes: Changes, key: string): string {
  const value = changes.get(key);
  if (value === undefined) return `nothing for ${key}`;
  return value === null ? `${key} deleted` : `${key} = ${value}`;
}
