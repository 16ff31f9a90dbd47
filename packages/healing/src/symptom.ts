/** A symptom: facts that held long enough to be believed, with their evidence and age. */
import type { Subject, SymptomKind } from "./fact.js";

export type Severity = "info" | "warning" | "critical";

export interface Evidence {
  readonly text: string;
  /** Of the monotonic clock. */
  readonly atMs: number;
}

export interface Symptom {
  readonly kind: SymptomKind;
  readonly subject: Subject;
  readonly severity: Severity;
  /** When the first fact that speaks for it was seen, monotonic. */
  readonly sinceMs: number;
  /** The newest last; `EVIDENCE_MAX` at most, the first is kept. */
  readonly evidence: readonly Evidence[];
  /** Of the newest fact. */
  readonly values: Readonly<Record<string, number | string | boolean>>;
}

/** One open symptom of a kind and subject at a time. */
export function symptomKey({ kind, subject }: Pick<Symptom, "kind" | "subject">): string {
  return `${kind} ${subject.type} ${subject.id}`;
}
