/** Sentences and figures of incidents, as a person reads them. */
import type { SymptomKind } from "../fact.js";
import type { Symptom } from "../symptom.js";
import { SYMPTOMS } from "../symptom-catalogue.js";

/** `0.42 s`, `12 s`, `5 min`, `2 h`. */
export function seconds(durationMs: number): string {
  if (durationMs < 10_000) return `${Number((durationMs / 1000).toFixed(2))} s`;
  if (durationMs < 120_000) return `${Math.round(durationMs / 1000)} s`;
  if (durationMs < 7_200_000) return `${Math.round(durationMs / 60_000)} min`;
  return `${Math.round(durationMs / 3_600_000)} h`;
}

/** `node b does not answer`. */
export function headline({ kind, subject }: Pick<Symptom, "kind" | "subject">): string {
  return `${subject.name} ${SYMPTOMS[kind].says}`;
}

export function adviceOf(kind: SymptomKind): string {
  return SYMPTOMS[kind].advice;
}
