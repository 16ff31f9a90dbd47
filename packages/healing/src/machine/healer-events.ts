/**
 * What the machine is told and what it asks for. Time comes with each event, chance is handed in,
 * so the same events give the same effects.
 */
import type { Subject } from "../fact.js";
import type { HealerMode } from "../healer-service.js";
import type { Incident } from "../incident.js";
import type { HealerSettings, RemedyRecord, Remembered } from "../knowledge.js";
import type { Look } from "../monitor-set.js";
import type { Remedy, RemedyName } from "../remedy.js";
import type { Symptom } from "../symptom.js";

export interface Now {
  readonly monotonicMs: number;
  /** For people, and for what has to outlive the daemon. Decides no order. */
  readonly wallMs: number;
}

/** What the machine knows of a remedy: it never calls one. */
export type RemedyTraits = Pick<
  Remedy,
  "name" | "handles" | "cost" | "risk" | "verifyWithinMs" | "rate" | "rollbackWhen" | "eases"
>;

/** What a remedy said about a symptom when it was asked. */
export interface Considered {
  readonly remedy: RemedyName;
  readonly text: string;
  readonly blockedBy?: string;
}

export type HealerEvent =
  /** Once, when the knowledge was read; it may come after the first looks. */
  | { readonly kind: "loaded"; readonly remembered: Remembered }
  /** A round of looks, maybe an empty one: time has passed. */
  | { readonly kind: "looked"; readonly looks: readonly Look[] }
  /** The answer to `consider`. */
  | {
      readonly kind: "considered";
      readonly key: string;
      readonly candidates: readonly Considered[];
    }
  /** The ends of `apply` and of `roll-back`; those of a run that is not awaited change nothing. */
  | {
      readonly kind: "applied";
      readonly run: number;
      readonly did: string;
      readonly changedNothing?: boolean;
    }
  | { readonly kind: "apply-failed"; readonly run: number; readonly reason: string }
  | { readonly kind: "rolled-back"; readonly run: number; readonly did: string }
  | { readonly kind: "rollback-failed"; readonly run: number; readonly reason: string }
  | { readonly kind: "pause"; readonly forMs: number | undefined; readonly by: string }
  | { readonly kind: "resume"; readonly by: string }
  | { readonly kind: "dry-run"; readonly on: boolean; readonly by: string }
  /** An incident of another node's healer; not one of this node's symptoms. */
  | { readonly kind: "told"; readonly incident: Incident };

export interface Run {
  readonly id: number;
  readonly remedy: RemedyName;
  readonly symptom: Symptom;
}

export type HealerEffect =
  /** Ask all remedies that handle it, and answer with `considered`. */
  | { readonly kind: "consider"; readonly key: string; readonly symptom: Symptom }
  | { readonly kind: "apply"; readonly run: Run }
  | { readonly kind: "roll-back"; readonly run: Run }
  /** It began, changed or ended: to be kept and told. */
  | { readonly kind: "incident"; readonly incident: Incident }
  | { readonly kind: "remember"; readonly record: RemedyRecord }
  | { readonly kind: "settings"; readonly settings: HealerSettings }
  | { readonly kind: "mode"; readonly mode: HealerMode; readonly by: string };

/** Another symptom that explains one, and is mended in its place. */
export interface Cause {
  readonly incidentId: string;
  readonly subject: Subject;
  readonly text: string;
  readonly isGivenUp: boolean;
}
