/**
 * How well each remedy did against each kind of symptom, and the rank that follows.
 *
 * Success is Laplace's rule of succession over decayed counts, `(helped + 1) / (uses + 2)`: one
 * that was never used stands at a half. With each new use the older ones weigh `KEPT_SHARE` of what
 * they did.
 */
import type { SymptomKind } from "../fact.js";
import type { RemedyRecord } from "../knowledge.js";
import type { RemedyName } from "../remedy.js";
import type { Severity } from "../symptom.js";
import type { RemedyTraits } from "./healer-events.js";

const KEPT_SHARE = 0.95;
/** How much one new measurement moves the mean of what it took. */
const TOOK_SHARE = 0.2;
/** What a remedy of full cost, or of full risk, loses of its score. */
const COST_WEIGHT = 0.5;
const RISK_WEIGHT: Readonly<Record<Severity, number>> = { info: 0.9, warning: 0.7, critical: 0.4 };

export class RemedyMemory {
  readonly #records = new Map<string, RemedyRecord>();

  /** What this process learnt already is newer than what was kept. */
  load(records: readonly RemedyRecord[]): void {
    for (const record of records) {
      const key = keyOf(record.symptom, record.remedy);
      if (!this.#records.has(key)) this.#records.set(key, record);
    }
  }

  success(symptom: SymptomKind, remedy: RemedyName): { success: number; uses: number } {
    const { helped = 0, failed = 0 } = this.#records.get(keyOf(symptom, remedy)) ?? {};
    const uses = helped + failed;
    return { success: (helped + 1) / (uses + 2), uses: Math.round(uses) };
  }

  learn(symptom: SymptomKind, remedy: RemedyName, tookMs: number | undefined): RemedyRecord {
    const key = keyOf(symptom, remedy);
    const before = this.#records.get(key);
    const isHelp = tookMs !== undefined;
    const record: RemedyRecord = {
      v: 1,
      symptom,
      remedy,
      helped: (before?.helped ?? 0) * KEPT_SHARE + (isHelp ? 1 : 0),
      failed: (before?.failed ?? 0) * KEPT_SHARE + (isHelp ? 0 : 1),
      tookMs: isHelp ? mean(before?.tookMs, tookMs) : before?.tookMs,
    };
    this.#records.set(key, record);
    return record;
  }
}

/** 0 to 1. Risk weighs less the worse the symptom is. */
export function scoreOf(
  { cost, risk }: Pick<RemedyTraits, "cost" | "risk">,
  success: number,
  severity: Severity,
): number {
  return success * (1 - COST_WEIGHT * cost) * (1 - RISK_WEIGHT[severity] * risk);
}

function mean(before: number | undefined, measured: number): number {
  if (before === undefined) return measured;
  return before * (1 - TOOK_SHARE) + measured * TOOK_SHARE;
}

function keyOf(symptom: SymptomKind, remedy: RemedyName): string {
  return `${symptom} ${remedy}`;
}
