/**
 * The exact and fast check: every write tells its revision, so the order is known, and it only has
 * to be true. Revisions must follow real time, and what a call read must be the state at a revision
 * that is not older than anything that had been answered, or seen by a watcher, before it began,
 * nor newer than it could be. A read without a revision of its own gets the earliest that fits: if
 * any choice works, that one does, since all that comes later only asks for "not older".
 */
import { type AtomicCall, didWrite } from "./atomic-calls.js";
import { attributeWrites } from "./attribute-writes.js";
import type { Call } from "./calls.js";
import { contradictions } from "./replay-call.js";
import { batchesOf, type RevisionLog } from "./revision-log.js";
import type { Findings } from "./verdict.js";

const RULE = "order of revisions";

/** From `atUs` on, everybody must see this revision. */
interface Seen {
  readonly atUs: number;
  readonly revision: number;
  readonly by: Call;
}

export function checkRevisions(
  log: RevisionLog,
  atomic: readonly AtomicCall[],
  calls: readonly Call[],
  leased: ReadonlySet<string>,
  startRevision: number,
  findings: Findings,
): void {
  for (const { words, calls: some } of log.conflicts) findings.problem(RULE, words, some);
  const silent = attributeWrites(log, atomic, leased, findings);
  const branchOf = new Map(silent.map((item) => [item.call.id, item]));
  const placed = atomic.flatMap((call) => {
    if (call.outcome === "ok") return [call];
    const item = branchOf.get(call.id);
    if (item === undefined) return [];
    return [{ ...call, succeeded: item.succeeded, revision: item.entry.revision }];
  });
  const known = new KnownRevision(startRevision, calls.flatMap(seenByWatch));
  for (const call of placed.sort((a, b) => a.startUs - b.startUs || a.id - b.id)) {
    const floor = known.before(call.startUs);
    const wrote = call.outcome !== "ok" || didWrite(call);
    const point = call.revision ?? earliestPoint(log, call, floor.revision);
    if (point !== undefined) {
      mustBeInTime(log, call, { point, wrote, floor }, findings);
      known.add({ atUs: call.endUs, revision: point, by: call });
    }
    for (const { words, isCertain, cause } of contradictions(log, call, point, wrote)) {
      const writer = log.entries.get(cause)?.call;
      if (isCertain) findings.problem(RULE, words, [writer, floor.by, call]);
      else findings.doubt(`${words}; not all revisions before it were seen`);
    }
  }
}

interface Floor {
  readonly revision: number;
  /** Undefined at the start. */
  readonly by: Call | undefined;
}

function mustBeInTime(
  log: RevisionLog,
  call: AtomicCall,
  { point, wrote, floor }: { point: number; wrote: boolean; floor: Floor },
  findings: Findings,
): void {
  if (wrote ? point > floor.revision : point >= floor.revision) return;
  const what = wrote ? "it wrote revision" : "it read the state of revision";
  const isWatch = floor.by?.invoke.op === "watch";
  const how = isWatch ? "was given to a watch" : "was answered to another";
  const words = `${what} ${point}, but revision ${floor.revision} ${how} before it began`;
  findings.problem(RULE, words, [log.entries.get(floor.revision)?.call, floor.by, call]);
}

/** Of a single get: the first revision from the floor on at which the key was as it was read. */
function earliestPoint(log: RevisionLog, call: AtomicCall, floor: number): number | undefined {
  const [step] = call.success;
  const [result] = call.results;
  if (step?.type !== "get" || result === undefined) return undefined;
  if (result.value !== null) return Math.max(floor, result.modRevision ?? 0);
  for (let at = log.at(step.key, floor); ; ) {
    if (at.value === null) return Math.max(floor, at.revision);
    const next = log.nextAfter(step.key, at.revision);
    if (next === undefined) return floor;
    at = next;
  }
}

function seenByWatch(call: Call): Seen[] {
  return batchesOf(call).map(({ time, revision }) => ({ atUs: time, revision, by: call }));
}

/** The highest revision that somebody knew of before a moment; asked for in order of time. */
class KnownRevision {
  #revision: number;
  #by: Call | undefined;
  readonly #waiting: Seen[];
  readonly #added: Seen[] = [];

  constructor(startRevision: number, seen: readonly Seen[]) {
    this.#revision = startRevision;
    this.#waiting = [...seen].sort((a, b) => b.atUs - a.atUs);
  }

  /** A call ends after it began, so it is asked about only later. Few are open at a time. */
  add(seen: Seen): void {
    if (Number.isFinite(seen.atUs)) this.#added.push(seen);
  }

  before(atUs: number): Floor {
    for (let last = this.#waiting.at(-1); last && last.atUs < atUs; last = this.#waiting.at(-1)) {
      this.#take(last);
      this.#waiting.pop();
    }
    for (let index = this.#added.length - 1; index >= 0; index--) {
      const seen = this.#added[index];
      if (seen === undefined || seen.atUs >= atUs) continue;
      this.#take(seen);
      this.#added.splice(index, 1);
    }
    return { revision: this.#revision, by: this.#by };
  }

  #take({ revision, by }: Seen): void {
    if (revision <= this.#revision) return;
    this.#revision = revision;
    this.#by = by;
  }
}
