/** Has background work rest four fifths of the time while people wait for the same machine. */
import type { Remedy, RemedyOutcome, Symptom } from "@hearthmesh/healing";
import { symptomKey } from "@hearthmesh/healing";
import { list } from "./text.js";

/** Background work that can be told to leave room. */
export interface Restrainable {
  /** For people: "repair and rebalancing". */
  readonly name: string;
  restrain(on: boolean): void;
}

export class ThrottleBackground implements Remedy {
  readonly name = "throttle-background";
  readonly handles = ["event-loop-lag", "load-high"] as const;
  readonly cost = 0.2;
  readonly risk = 0.1;
  readonly verifyWithinMs = 60_000;
  readonly rate = { count: 6, windowMs: 600_000 };
  /** Whoever makes the load ends it, not this. */
  readonly eases = true;
  readonly rollbackWhen = "ended";
  readonly #work: readonly Restrainable[];
  /** Symptoms for whose sake it rests. */
  readonly #reasons = new Set<string>();

  constructor(work: readonly Restrainable[]) {
    this.#work = work;
  }

  describe(): string {
    return `have ${this.#names()} rest four fifths of the time`;
  }

  blockedBy(): string | undefined {
    return this.#work.length === 0 ? "no background work runs on this node" : undefined;
  }

  async apply(symptom: Symptom): Promise<RemedyOutcome> {
    this.#reasons.add(symptomKey(symptom));
    this.#restrain();
    return { did: `${this.#names()} rest four fifths of the time, until this is over` };
  }

  async rollback(symptom: Symptom): Promise<RemedyOutcome> {
    this.#reasons.delete(symptomKey(symptom));
    this.#restrain();
    const isOver = this.#reasons.size === 0;
    return {
      did: isOver
        ? `${this.#names()} go at their own speed again`
        : `${this.#names()} still rest, for another symptom`,
    };
  }

  #restrain(): void {
    for (const work of this.#work) work.restrain(this.#reasons.size > 0);
  }

  #names(): string {
    return list(this.#work.map(({ name }) => name));
  }
}
