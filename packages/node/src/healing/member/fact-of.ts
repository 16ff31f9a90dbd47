/** Facts and the words in them, the same for all monitors of the member. */
import type { Fact, Subject, SymptomKind, Verdict } from "@hearthmesh/healing";

/** A fact about one subject; further ones about it differ in what they say. */
export function factOf(
  symptom: SymptomKind,
  subject: Subject,
  verdict: Verdict,
  evidence: string,
  values: NonNullable<Fact["values"]> = {},
): Fact {
  return { symptom, subject, verdict, evidence, values };
}

/** "40 s", "15 min", "3 h": for people. */
export function timeText(durationMs: number): string {
  const seconds = Math.round(durationMs / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

export function percentText(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/**
 * "412", "12,345"; of a whole number. By hand, because `toLocaleString` reads 5 MB of tables about
 * languages, which stay in memory.
 */
export function numberText(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** "1 chunk", "412 chunks". */
export function countText(count: number, word: string): string {
  return `${numberText(count)} ${word}${count === 1 ? "" : "s"}`;
}

/** "b", "b and c", "b, c and d". */
export function namesText(names: readonly string[]): string {
  const last = names.at(-1) ?? "";
  return names.length < 2 ? last : `${names.slice(0, -1).join(", ")} and ${last}`;
}
