/**
 * What stands against the use of a remedy now: the budget of the node, the rate of the remedy for
 * one subject, its breaker, what runs already.
 *
 * Invariants: within any `BUDGET_WINDOW_MS` at most `BUDGET_COUNT` uses are counted, and within the
 * window of a remedy at most its count for one subject.
 */
import type { Subject } from "../fact.js";
import {
  APPLYING_MAX,
  BREAKER_OPEN_MS,
  BUDGET_COUNT,
  BUDGET_RESERVED,
  BUDGET_WINDOW_MS,
} from "../limits.js";
import type { RemedyName } from "../remedy.js";
import type { Symptom } from "../symptom.js";
import {
  type Breaker,
  begun,
  breakerState,
  CLOSED_BREAKER,
  ended,
  mayUse,
} from "./circuit-breaker.js";
import type { RemedyTraits } from "./healer-events.js";
import { seconds } from "./texts.js";

export class RemedyGates {
  /** Times of uses, the oldest first. */
  #uses: number[] = [];
  readonly #rates = new Map<string, { readonly times: number[]; readonly windowMs: number }>();
  readonly #breakers = new Map<RemedyName, Breaker>();
  readonly #running = new Map<string, RemedyName>();

  /** Why it may not be used now, for a person; undefined: it may. */
  whyNot(remedy: RemedyTraits, { subject, severity }: Symptom, nowMs: number): string | undefined {
    const running = this.#running.get(subjectKey(subject));
    if (running !== undefined) return `${running} is under way for ${subject.name}`;
    const breaker = this.#breaker(remedy.name);
    if (!mayUse(breaker, nowMs)) return breakerText(breaker, nowMs);
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
    this.#uses.push(nowMs);
    const key = `${remedy.name} ${subjectKey(subject)}`;
    const times = [...this.#timesOf(remedy, subject, nowMs), nowMs];
    this.#rates.set(key, { times, windowMs: remedy.rate.windowMs });
    this.#breakers.set(remedy.name, begun(this.#breaker(remedy.name), nowMs));
    this.#running.set(subjectKey(subject), remedy.name);
  }

  /** It was applied, or could not be; whether it helped comes later. */
  settle(subject: Subject): void {
    this.#running.delete(subjectKey(subject));
  }

  judge(remedy: RemedyName, outcome: "helped" | "failed" | "unseen", nowMs: number): void {
    this.#breakers.set(remedy, ended(this.#breaker(remedy), outcome, nowMs));
  }

  budgetLeft(nowMs: number): number {
    this.#uses = this.#uses.filter((atMs) => nowMs - atMs < BUDGET_WINDOW_MS);
    return BUDGET_COUNT - this.#uses.length;
  }

  breakerState(remedy: RemedyName, nowMs: number): "closed" | "open" | "half-open" {
    return breakerState(this.#breaker(remedy), nowMs);
  }

  /** Forgets what no longer counts. */
  sweep(nowMs: number): void {
    for (const [key, { times, windowMs }] of this.#rates) {
      if (times.every((atMs) => nowMs - atMs >= windowMs)) this.#rates.delete(key);
    }
  }

  #breaker(remedy: RemedyName): Breaker {
    return this.#breakers.get(remedy) ?? CLOSED_BREAKER;
  }

  #timesOf({ name, rate }: RemedyTraits, subject: Subject, nowMs: number): number[] {
    const times = this.#rates.get(`${name} ${subjectKey(subject)}`)?.times ?? [];
    return times.filter((atMs) => nowMs - atMs < rate.windowMs);
  }
}

function breakerText({ failures, openedAtMs = 0 }: Breaker, nowMs: number): string {
  const waitMs = Math.max(0, openedAtMs + BREAKER_OPEN_MS - nowMs);
  if (waitMs === 0) return `it failed ${failures} times in a row and is being tried elsewhere`;
  return `it failed ${failures} times in a row and rests for ${seconds(waitMs)}`;
}

function subjectKey({ type, id }: Subject): string {
  return `${type} ${id}`;
}
