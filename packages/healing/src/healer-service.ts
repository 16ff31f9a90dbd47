/** What the doors ask of the healer of a node. */
import type { Subject, SymptomKind, Verdict } from "./fact.js";
import type { Incident, RemedyCandidate } from "./incident.js";
import type { RemedyName } from "./remedy.js";
import type { Severity } from "./symptom.js";

export type HealerMode = "acting" | "dry-run" | "paused";

export interface HealerStatus {
  readonly nodeId: string;
  readonly nodeName: string;
  readonly mode: HealerMode;
  /** Until when it is paused, wall clock; absent while it is not, or for ever. */
  readonly pausedUntilMs?: number;
  /**
   * Well when no symptom is open but notes, ill when one is, unknown when some monitor cannot see.
   */
  readonly verdict: Verdict;
  readonly monitors: readonly {
    readonly name: string;
    readonly verdict: Verdict;
    readonly lookedAtMs: number | undefined;
    readonly facts: number;
    readonly reason?: string;
  }[];
  readonly open: readonly Incident[];
  readonly remedies: readonly {
    readonly name: RemedyName;
    readonly handles: readonly SymptomKind[];
    readonly applied: number;
    readonly helped: number;
    readonly failed: number;
    /** Of the remedy for all subjects. */
    readonly breaker: "closed" | "open" | "half-open";
  }[];
  /** Remedies that rest for one subject, because they failed for it several times in a row. */
  readonly suspended: readonly SuspendedRemedy[];
  readonly budget: { readonly left: number; readonly of: number; readonly windowMs: number };
}

/** A remedy that is not used for one subject; for others it is. */
export interface SuspendedRemedy {
  readonly remedy: RemedyName;
  readonly subject: Subject;
  readonly failures: number;
  /** Milliseconds until it may be tried again. */
  readonly forMs: number;
}

/** What would be done now about one subject. */
export interface PlannedRemedy {
  readonly symptom: SymptomKind;
  readonly subject: Subject;
  readonly severity: Severity;
  /** The best first. */
  readonly candidates: readonly RemedyCandidate[];
}

export type HealingEvent =
  | { readonly kind: "incident"; readonly incident: Incident }
  | { readonly kind: "mode"; readonly mode: HealerMode };

export interface HealingCounters {
  readonly cycles: number;
  /** Total milliseconds spent in each phase since the start. */
  readonly phaseMs: Readonly<Record<"monitor" | "analyse" | "plan" | "execute", number>>;
  readonly looksFailed: number;
  readonly symptoms: ReadonlyMap<SymptomKind, number>;
  readonly applied: ReadonlyMap<RemedyName, { readonly helped: number; readonly failed: number }>;
  /** Of incidents that were mended since the start, newest last, `RECOVERIES_KEPT_MAX` at most. */
  readonly recoveries: readonly { readonly kind: SymptomKind; readonly verifiedMs: number }[];
}

export interface HealerService {
  status(): HealerStatus;
  /** The newest first. */
  history(options: { limit: number; kind?: SymptomKind; before?: string }): readonly Incident[];
  /** `MESH_NOT_FOUND`. */
  incident(id: string): Incident;
  /** Looks at everything now, and says what would be done. */
  plan(signal: AbortSignal): Promise<readonly PlannedRemedy[]>;
  /** For so long, or until `resume`. */
  pause(forMs: number | undefined, by: string): void;
  resume(by: string): void;
  /** Only say what would be done, from now on. */
  setDryRun(on: boolean, by: string): void;
  onEvent(listener: (event: HealingEvent) => void): () => void;
  counters(): HealingCounters;
}
