/** Everything that is checked of a recorded history. `docs/histories.md` explains it. */
import { type AtomicCall, atomicCall, leasedKeys } from "./atomic-calls.js";
import { callsOf } from "./calls.js";
import { checkLocks } from "./check-locks.js";
import { checkOrders } from "./check-orders.js";
import { checkRevisions } from "./check-revisions.js";
import { checkWatches } from "./check-watches.js";
import type { History } from "./format.js";
import { SEARCH_MS_MAX, SEARCH_STATES_MAX } from "./limits.js";
import { RevisionLog } from "./revision-log.js";
import { type CheckReport, Findings } from "./verdict.js";

export interface CheckOptions {
  /** Milliseconds of a monotonic clock; it bounds the searches. */
  readonly nowMs: () => number;
  /** Configurations of one search. */
  readonly statesMax?: number;
  readonly searchMsMax?: number;
}

/** `MESH_BAD_REQUEST` when the events do not make calls. */
export function checkHistory(history: History, options: CheckOptions): CheckReport {
  const { startRevision } = history.header;
  const { calls, faults } = callsOf(history);
  const atomic = calls.map(atomicCall).filter((call): call is AtomicCall => call !== undefined);
  const leased = leasedKeys(calls);
  const findings = new Findings();
  const log = new RevisionLog(startRevision, atomic, calls);
  checkRevisions(log, atomic, calls, leased, startRevision, findings);
  const batches = checkWatches(log, calls, findings);
  checkLocks(calls, findings);
  const orders = checkOrders(
    atomic,
    leased,
    {
      statesMax: options.statesMax ?? SEARCH_STATES_MAX,
      durationMsMax: options.searchMsMax ?? SEARCH_MS_MAX,
      nowMs: options.nowMs,
    },
    findings,
  );
  for (const call of calls) {
    // The recorder waits for the watches at its end; one that gave up may have lost the rest.
    if (call.invoke.op === "watch" && call.answer?.error === WATCH_LATE) {
      findings.doubt(`the watch of process ${call.process} did not give everything by its end`);
    }
  }
  const count = (outcome: string) => calls.filter((call) => call.outcome === outcome).length;
  return {
    verdict: findings.verdict,
    problems: findings.problems,
    problemsFound: findings.found,
    doubts: findings.doubts,
    counts: {
      ok: count("ok"),
      fail: count("fail"),
      info: count("info"),
      keys: orders.keys,
      revisions: log.entries.size,
      batches,
      faults: faults.length,
      states: orders.states,
    },
  };
}

/** Error code of a watch that had not given the last write when the recording ended. */
export const WATCH_LATE = "HISTORY_WATCH_LATE";
