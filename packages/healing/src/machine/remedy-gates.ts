/**
 * What stands against the use of a remedy now: the budget of the node, the rate of the remedy for
 * one subject, its breakers, what runs already.
 *
 * Invariants: within any `BUDGET_WINDOW_MS` at most `BUDGET_COUNT` uses are counted, and within the
 * window of a remedy at most its count for one subject. A restart of the daemon that hands back the
 * snapshot of the last run changes nothing of that.
 */
import type { Subject } from "../fact.js";
import type { GatesRecord, RateRecord } from "../gates-record.js";
import type { SuspendedRemedy } from "../healer-service.js";
import {
  APPLYING_MAX,
  BREAKERS_MAX,
  BUDGET_COUNT,
  BUDGET_RESERVED,
  BUDGET_WINDOW_MS,
} from "../limits.js";
import type { RemedyName } from "../remedy.js";
import type { Symptom } from "../symptom.js";
import type { BreakerState, UseOutcome } from "./circuit-breaker.js";
import { toMonotonic, toWall } from "./gates-times.js";
import type { Now, RemedyTraits } from "./healer-events.js";
import { RemedyBreakers } from "./remedy-breakers.js";
import { seconds } from "./texts.js";

export class RemedyGates {
  /** Times of uses, the oldest first. */
  #uses: readonly number[] = [];
  readonly #rates = new Map<string, RateRecord>();
  readonly #breakers = new RemedyBreakers();
  readonly #running = new Map<string, RemedyName>();

  /** Why it may not be used now, for a person; undefined: it may. */
  whyNot(remedy: RemedyTraits, { subject, severity }: Symptom, nowMs: number): string | undefined {
    const running = this.#running.get(subjectKey(subject));
    if (running !== undefined) return `${running} is under way for ${subject.name}`;
    const failing = this.#breakers.whyNot(remedy.name, subject, nowMs);
    if (failing !== undefined) return failing;
    const { count, windowMs } = remedy.rate;
    if (this.#timesOf(remedy, subject, nowMs).length >= count) {
      return `it was used ${count} times for ${subject.name} within ${seconds(windowMs)}`;
    }
    const left = this.budgetLeft(nowMs);
    if (left === 0) return `the ${BUDGET_COUNT} uses of this node are spent for now`;
    if (left <= BUDGET_RESERVED && severity !== "critical") {
      return `the last ${BUDGET_RESERVED} uses of this node are kept for what is critical`;
    }
    if (this.#running.size >= APPLYING_MAX) return `${APPLYING_MAX} others are under way`;
    return undefined;
  }

  begin(remedy: RemedyTraits, subject: Subject, nowMs: number): void {
    this.#uses = [...this.#uses, nowMs];
    const { windowMs } = remedy.rate;
    const atMs = [...this.#timesOf(remedy, subject, nowMs), nowMs];
    const rate = { remedy: remedy.name, subject, atMs, windowMs };
    this.#rates.set(rateKey(remedy.name, subject), rate);
    this.#breakers.begin(remedy.name, subject, nowMs);
    this.#running.set(subjectKey(subject), remedy.name);
  }

  /** It was applied, or could not be; whether it helped comes later. */
  settle(subject: Subject): void {
    this.#running.delete(subjectKey(subject));
  }

  judge(remedy: RemedyName, subject: Subject, outcome: UseOutcome, nowMs: number): void {
    this.#breakers.judge(remedy, subject, outcome, nowMs);
  }

  budgetLeft(nowMs: number): number {
    this.#uses = this.#uses.filter((atMs) => nowMs - atMs < BUDGET_WINDOW_MS);
    return Math.max(0, BUDGET_COUNT - this.#uses.length);
  }

  breakerState(remedy: RemedyName, nowMs: number): BreakerState {
    return this.#breakers.state(remedy, nowMs);
  }

  suspended(nowMs: number): SuspendedRemedy[] {
    return this.#breakers.suspended(nowMs);
  }

  /** Forgets what no longer counts. */
  sweep(nowMs: number): void {
    this.#breakers.sweep(nowMs);
    for (const [key, { atMs, windowMs }] of this.#rates) {
      if (atMs.every((at) => nowMs - at >= windowMs)) this.#rates.delete(key);
    }
  }

  snapshot(now: Now): GatesRecord {
    this.sweep(now.monotonicMs);
    this.budgetLeft(now.monotonicMs);
    const rates = [...this.#rates.values()];
    return toWall({ v: 1, usesAtMs: this.#uses, rates, ...this.#breakers.snapshot() }, now);
  }

  /** What an earlier run used counts beside what this one used already. */
  restore(record: GatesRecord, now: Now): void {
    const { usesAtMs, rates, subjects, remedies } = toMonotonic(record, now);
    this.#uses = [...usesAtMs.slice(-BUDGET_COUNT), ...this.#uses].sort((a, b) => a - b);
    for (const rate of rates.slice(-BREAKERS_MAX)) {
      const key = rateKey(rate.remedy, rate.subject);
      const atMs = [...rate.atMs.slice(-BUDGET_COUNT), ...(this.#rates.get(key)?.atMs ?? [])];
      this.#rates.set(key, { ...rate, atMs: atMs.sort((a, b) => a - b) });
    }
    this.#breakers.restore({ subjects: subjects.slice(-BREAKERS_MAX), remedies });
    this.sweep(now.monotonicMs);
  }

  #timesOf({ name, rate }: RemedyTraits, subject: Subject, nowMs: number): number[] {
    const times = this.#rates.get(rateKey(name, subject))?.atMs ?? [];
    return times.filter((atMs) => nowMs - atMs < rate.windowMs);
  }
}

function subjectKey({ type, id }: Subject): string {
  return `${type} ${id}`;
}

function rateKey(remedy: RemedyName, subject: Subject): string {
  return `${remedy} ${subjectKey(subject)}`;
}
