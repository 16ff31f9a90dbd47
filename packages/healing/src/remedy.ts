/** What may be done against a symptom. A remedy is idempotent: applied twice it does no harm. */
import type { SymptomKind } from "./fact.js";
import type { Symptom } from "./symptom.js";

export type RemedyName =
  | "redial"
  | "re-route"
  | "rejoin"
  | "fail-over-hub"
  | "restart-process"
  | "withdraw-service"
  | "re-replicate"
  | "rebalance"
  | "evacuate-disk"
  | "shed-disk"
  | "quarantine-node"
  | "shed-memory"
  | "throttle-background"
  | "renew-certificate"
  | "reopen-store"
  | "replace-store-member"
  | "step-down"
  | "re-plan-pool";

export interface RemedyOutcome {
  /** One sentence in the past tense with numbers, for an incident: "dialled 3 addresses of b". */
  readonly did: string;
  /**
   * It was done, and nothing came of it, such as dialling where nobody listens. When the symptom
   * goes all the same, it went by itself, and the remedy gets no credit for it.
   */
  readonly changedNothing?: boolean;
}

export interface Remedy {
  readonly name: RemedyName;
  readonly handles: readonly SymptomKind[];
  /** 0 (nothing) to 1: work, traffic and time that it takes. */
  readonly cost: number;
  /** 0 (none) to 1: how bad it is when the symptom was misread. */
  readonly risk: number;
  /** The symptom must be gone so long after `apply` ended, else it did not help. */
  readonly verifyWithinMs: number;
  /** At most so many times within that for one subject. */
  readonly rate: { readonly count: number; readonly windowMs: number };
  /**
   * It mends nothing, and makes it easier to bear: it holds until the symptom is gone, is taken
   * back then, and is neither praised nor blamed for the end. `verifyWithinMs` does not apply.
   */
  readonly eases?: boolean;
  /** What it would do for this symptom, one sentence: shown by a dry run, written when chosen. */
  describe(symptom: Symptom): string;
  /** Why it may not be done now, for a person; undefined when nothing stands against it. */
  blockedBy(symptom: Symptom): string | undefined;
  /** Rejects when it could not be done. Ended by the signal after `APPLY_MS_MAX`. */
  apply(symptom: Symptom, signal: AbortSignal): Promise<RemedyOutcome>;
  /** Takes back what it did, once the symptom is gone or it did not help; idempotent too. */
  rollback?(symptom: Symptom, signal: AbortSignal): Promise<RemedyOutcome>;
  /** When `rollback` is due: after it did not help (`failed`), or also at the end (`ended`). */
  readonly rollbackWhen?: "failed" | "ended";
}
