/**
 * The breakers of all remedies, two for each use:
 *
 * - of the remedy for this subject: `BREAKER_FAILURES` failures in a row open it. A machine that is
 *   switched off ends no redial but its own.
 * - of the remedy as a whole: failures for `BREAKER_SUBJECTS` different subjects within
 *   `BREAKER_SUBJECTS_WINDOW_MS`, and none that it helped in between, open it. One subject counts
 *   once, however often it fails.
 *
 * Invariants: failures for one subject never bar a remedy for another; at most `BREAKERS_MAX`
 * subjects are remembered, and of each remedy at most `BREAKER_SUBJECTS` that it failed for.
 */
import type { Subject } from "../fact.js";
import type { BreakerRecord, RemedyBreakerRecord } from "../gates-record.js";
import type { SuspendedRemedy } from "../healer-service.js";
import {
  BREAKER_FAILURES,
  BREAKER_KEPT_MS,
  BREAKER_OPEN_MS,
  BREAKER_SUBJECTS,
  BREAKER_SUBJECTS_WINDOW_MS,
  BREAKERS_MAX,
} from "../limits.js";
import type { RemedyName } from "../remedy.js";
import {
  type Breaker,
  type BreakerState,
  begun,
  breakerState,
  CLOSED_BREAKER,
  failedOnce,
  mayUse,
  type UseOutcome,
  untested,
} from "./circuit-breaker.js";
import { seconds } from "./texts.js";

interface OfSubject {
  readonly remedy: RemedyName;
  readonly subject: Subject;
  readonly breaker: Breaker;
  readonly lastAtMs: number;
}

interface OfRemedy {
  readonly breaker: Breaker;
  /** Whom it failed for since it helped anybody; each once, the newest last. */
  readonly failedFor: readonly { readonly subject: Subject; readonly atMs: number }[];
}

const UNUSED: OfRemedy = { breaker: CLOSED_BREAKER, failedFor: [] };

export class RemedyBreakers {
  /** The one that failed the longest ago first. */
  readonly #ofSubject = new Map<string, OfSubject>();
  readonly #ofRemedy = new Map<RemedyName, OfRemedy>();

  /** Why the remedy may not be used for it now, for a person; undefined: it may. */
  whyNot(remedy: RemedyName, subject: Subject, nowMs: number): string | undefined {
    const whole = this.#whole(remedy);
    if (!mayUse(whole.breaker, nowMs)) {
      const names = whole.failedFor.map((one) => one.subject.name).join(", ");
      const wait = waitText(whole.breaker, nowMs);
      return `it failed for ${names} and helped nobody in between: ${wait}`;
    }
    const { breaker } = this.#one(remedy, subject, nowMs);
    if (mayUse(breaker, nowMs)) return undefined;
    const times = `${breaker.failures} times in a row`;
    return `it failed ${times} for ${subject.name}: ${waitText(breaker, nowMs)}`;
  }

  begin(remedy: RemedyName, subject: Subject, nowMs: number): void {
    const whole = this.#whole(remedy);
    if (whole !== UNUSED) {
      this.#ofRemedy.set(remedy, { ...whole, breaker: begun(whole.breaker, nowMs) });
    }
    const key = keyOf(remedy, subject);
    const one = this.#ofSubject.get(key);
    if (one !== undefined) {
      this.#ofSubject.set(key, { ...one, breaker: begun(one.breaker, nowMs) });
    }
  }

  judge(remedy: RemedyName, subject: Subject, outcome: UseOutcome, nowMs: number): void {
    const key = keyOf(remedy, subject);
    if (outcome === "helped") {
      this.#ofSubject.delete(key);
      this.#ofRemedy.delete(remedy);
      return;
    }
    if (outcome === "failed") {
      this.#failed(remedy, subject, nowMs);
      return;
    }
    const whole = this.#whole(remedy);
    if (whole !== UNUSED) {
      this.#ofRemedy.set(remedy, { ...whole, breaker: untested(whole.breaker) });
    }
    const one = this.#ofSubject.get(key);
    if (one !== undefined) this.#ofSubject.set(key, { ...one, breaker: untested(one.breaker) });
  }

  /** Of the remedy as a whole. */
  state(remedy: RemedyName, nowMs: number): BreakerState {
    return breakerState(this.#whole(remedy).breaker, nowMs);
  }

  /** For whom it is not used now, of all remedies. */
  suspended(nowMs: number): SuspendedRemedy[] {
    return [...this.#ofSubject.values()].flatMap(({ remedy, subject, breaker }) => {
      const { failures, openedAtMs } = breaker;
      if (openedAtMs === undefined || breakerState(breaker, nowMs) !== "open") return [];
      return [{ remedy, subject, failures, forMs: openedAtMs + BREAKER_OPEN_MS - nowMs }];
    });
  }

  /** Forgets what no longer counts. */
  sweep(nowMs: number): void {
    for (const [key, { lastAtMs }] of this.#ofSubject) {
      if (nowMs - lastAtMs < BREAKER_KEPT_MS) break;
      this.#ofSubject.delete(key);
    }
  }

  snapshot(): { subjects: BreakerRecord[]; remedies: RemedyBreakerRecord[] } {
    return {
      subjects: [...this.#ofSubject.values()].map(({ remedy, subject, breaker, lastAtMs }) => ({
        ...{ remedy, subject, failures: breaker.failures, lastAtMs },
        ...opened(breaker),
      })),
      remedies: [...this.#ofRemedy].map(([remedy, { breaker, failedFor }]) => ({
        ...{ remedy, failedFor },
        ...opened(breaker),
      })),
    };
  }

  /** Of an earlier run; what this one learnt already is newer. A test that ran has no end. */
  restore({
    subjects,
    remedies,
  }: {
    readonly subjects: readonly BreakerRecord[];
    readonly remedies: readonly RemedyBreakerRecord[];
  }): void {
    const own = [...this.#ofSubject];
    this.#ofSubject.clear();
    for (const one of [...subjects].sort((a, b) => a.lastAtMs - b.lastAtMs)) {
      const { remedy, subject, failures, openedAtMs, lastAtMs } = one;
      const breaker = { failures, openedAtMs, isTesting: false };
      this.#ofSubject.set(keyOf(remedy, subject), { remedy, subject, breaker, lastAtMs });
    }
    for (const [key, one] of own) this.#put(key, one);
    this.#bound();
    for (const { remedy, openedAtMs, failedFor } of remedies) {
      if (this.#ofRemedy.has(remedy)) continue;
      const breaker = { failures: failedFor.length, openedAtMs, isTesting: false };
      this.#ofRemedy.set(remedy, { breaker, failedFor: failedFor.slice(-BREAKER_SUBJECTS) });
    }
  }

  #failed(remedy: RemedyName, subject: Subject, nowMs: number): void {
    const one = this.#one(remedy, subject, nowMs);
    const breaker = failedOnce(one.breaker, BREAKER_FAILURES, nowMs);
    this.#put(keyOf(remedy, subject), { ...one, breaker, lastAtMs: nowMs });
    this.#bound();
    const whole = this.#whole(remedy);
    const others = whole.failedFor.filter(
      (other) => !isSame(other.subject, subject) && isRecent(other.atMs, nowMs),
    );
    const failedFor = [...others, { subject, atMs: nowMs }].slice(-BREAKER_SUBJECTS);
    const before = { ...whole.breaker, failures: failedFor.length - 1 };
    const after = failedOnce(before, BREAKER_SUBJECTS, nowMs);
    this.#ofRemedy.set(remedy, { breaker: after, failedFor });
  }

  #whole(remedy: RemedyName): OfRemedy {
    return this.#ofRemedy.get(remedy) ?? UNUSED;
  }

  #one(remedy: RemedyName, subject: Subject, nowMs: number): OfSubject {
    const found = this.#ofSubject.get(keyOf(remedy, subject));
    return found ?? { remedy, subject, breaker: CLOSED_BREAKER, lastAtMs: nowMs };
  }

  /** The newest last. */
  #put(key: string, one: OfSubject): void {
    this.#ofSubject.delete(key);
    this.#ofSubject.set(key, one);
  }

  #bound(): void {
    for (const key of this.#ofSubject.keys()) {
      if (this.#ofSubject.size <= BREAKERS_MAX) return;
      this.#ofSubject.delete(key);
    }
  }
}

function waitText({ openedAtMs = 0 }: Breaker, nowMs: number): string {
  const waitMs = Math.max(0, openedAtMs + BREAKER_OPEN_MS - nowMs);
  return waitMs === 0 ? "it is being tried again" : `it rests for ${seconds(waitMs)}`;
}

function opened({ openedAtMs }: Breaker): { openedAtMs?: number } {
  return openedAtMs === undefined ? {} : { openedAtMs };
}

function isRecent(atMs: number, nowMs: number): boolean {
  return nowMs - atMs < BREAKER_SUBJECTS_WINDOW_MS;
}

function isSame(a: Subject, b: Subject): boolean {
  return a.type === b.type && a.id === b.id;
}

function keyOf(remedy: RemedyName, { type, id }: Subject): string {
  return `${remedy} ${type} ${id}`;
}
