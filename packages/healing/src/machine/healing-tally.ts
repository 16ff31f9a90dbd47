/** Counts since the start of the daemon, for metrics. */
import type { SymptomKind } from "../fact.js";
import type { HealingCounters } from "../healer-service.js";
import { RECOVERIES_KEPT_MAX } from "../limits.js";
import type { RemedyName } from "../remedy.js";

export interface Uses {
  readonly applied: number;
  readonly helped: number;
  readonly failed: number;
}

const NO_USES: Uses = { applied: 0, helped: 0, failed: 0 };

export class HealingTally {
  readonly #symptoms = new Map<SymptomKind, number>();
  readonly #uses = new Map<RemedyName, Uses>();
  #recoveries: HealingCounters["recoveries"] = [];
  looksFailed = 0;

  opened(kind: SymptomKind): void {
    this.#symptoms.set(kind, (this.#symptoms.get(kind) ?? 0) + 1);
  }

  count(remedy: RemedyName, what: keyof Uses): void {
    const uses = this.uses(remedy);
    this.#uses.set(remedy, { ...uses, [what]: uses[what] + 1 });
  }

  recovered(kind: SymptomKind, verifiedMs: number): void {
    this.#recoveries = [...this.#recoveries, { kind, verifiedMs }].slice(-RECOVERIES_KEPT_MAX);
  }

  uses(remedy: RemedyName): Uses {
    return this.#uses.get(remedy) ?? NO_USES;
  }

  counters(): Pick<HealingCounters, "looksFailed" | "symptoms" | "applied" | "recoveries"> {
    return {
      looksFailed: this.looksFailed,
      symptoms: new Map(this.#symptoms),
      applied: new Map(this.#uses),
      recoveries: this.#recoveries,
    };
  }
}
