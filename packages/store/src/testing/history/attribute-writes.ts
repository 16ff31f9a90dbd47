/**
 * Who wrote the revisions that nobody was answered: calls of unknown outcome, leases that ended,
 * or calls that were answered "it did not happen", which is a problem, as is a value that nobody
 * wrote.
 */
import type { AtomicCall } from "./atomic-calls.js";
import { effectsOf, type LogEntry, type RevisionLog } from "./revision-log.js";
import type { Findings } from "./verdict.js";

export interface Attributed {
  readonly call: AtomicCall;
  readonly entry: LogEntry;
  /** The branch that ran. */
  readonly succeeded: boolean;
}

const RULE = "order of revisions";

/** The calls without an answer that took effect, each with its revision. */
export function attributeWrites(
  log: RevisionLog,
  atomic: readonly AtomicCall[],
  leased: ReadonlySet<string>,
  findings: Findings,
): Attributed[] {
  const unanswered = atomic.filter(({ outcome }) => outcome !== "ok");
  const writers = byPut(unanswered);
  const answered = byPut(atomic.filter(({ outcome }) => outcome === "ok"));
  const found: Attributed[] = [];
  const used = new Map<number, LogEntry>();
  for (const entry of log.entries.values()) {
    if (entry.call !== undefined) continue;
    const [key, value] = [...entry.changes].find(([, written]) => written !== null) ?? [];
    if (key === undefined) {
      explainDeletion(entry, unanswered, leased, findings);
      continue;
    }
    const puts = writers.get(putName(key, value ?? "")) ?? [];
    const [put] = puts;
    if (put === undefined) {
      const { revision } = entry;
      const words = `revision ${revision} put ${key} = ${value}, which no call wrote there then`;
      findings.problem(RULE, words, (answered.get(putName(key, value ?? "")) ?? []).map(callOf));
      continue;
    }
    if (puts.length > 1) continue;
    const earlier = used.get(put.call.id);
    if (earlier !== undefined) {
      const words = `one call wrote both revision ${earlier.revision} and ${entry.revision}`;
      findings.problem(RULE, words, [put.call]);
    }
    if (put.call.outcome === "fail") {
      const words =
        `a call that failed with ${put.call.answer?.error}, which says that nothing happened, ` +
        `wrote revision ${entry.revision}`;
      findings.problem(RULE, words, [put.call]);
    }
    used.set(put.call.id, entry);
    entry.call = put.call;
    found.push({ ...put, entry });
    mustBeWhole(put, entry, findings);
  }
  return found;
}

type Put = Omit<Attributed, "entry">;
const callOf = ({ call }: Put) => call;
const putName = (key: string, value: string) => JSON.stringify([key, value]);

function byPut(calls: readonly AtomicCall[]): Map<string, Put[]> {
  const writers = new Map<string, Put[]>();
  for (const call of calls) {
    for (const succeeded of [true, false]) {
      for (const step of succeeded ? call.success : call.failure) {
        if (step.type !== "put") continue;
        const name = putName(step.key, step.value ?? "");
        writers.set(name, [...(writers.get(name) ?? []), { call, succeeded }]);
      }
    }
  }
  return writers;
}

/** A transaction happens whole or not at all. */
function mustBeWhole({ call, succeeded }: Put, entry: LogEntry, findings: Findings): void {
  if (!entry.wholeUnder.has("")) return;
  for (const [key, value] of effectsOf(call, succeeded)) {
    // A deletion in it may have found nothing.
    if (value === null || entry.changes.get(key) === value) continue;
    const words = `revision ${entry.revision} holds only a part of a transaction: not ${key}`;
    findings.problem(RULE, words, [call]);
    return;
  }
}

function explainDeletion(
  { revision, changes }: LogEntry,
  unanswered: readonly AtomicCall[],
  leased: ReadonlySet<string>,
  findings: Findings,
): void {
  for (const key of changes.keys()) {
    if (leased.has(key)) continue;
    const isAsked = unanswered.some(
      (call) =>
        call.outcome === "info" &&
        [...call.success, ...call.failure].some(
          (step) => step.type === "delete" && step.key === key,
        ),
    );
    if (!isAsked) {
      findings.problem(RULE, `revision ${revision} deleted ${key}, which no call asked for`, []);
    }
  }
}
