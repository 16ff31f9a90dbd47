/** Words of evidence and of what was done. */
import { NAMES_TOLD_MAX } from "./limits.js";

/** `0.4 s`, `12 s`, `3 min`. */
export function seconds(ms: number): string {
  const s = Math.max(0, ms) / 1_000;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 120) return `${Math.round(s)} s`;
  return s < 7_200 ? `${Math.round(s / 60)} min` : `${Math.round(s / 3_600)} h`;
}

/** `12 MiB`. */
export function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}

/** `93 %`. */
export function percent(part: number): string {
  return `${Math.round(part * 100)} %`;
}

/** `a, b and c`; of many the first, and how many more there are. */
export function list(names: readonly string[]): string {
  const told = names.slice(0, NAMES_TOLD_MAX);
  const more = names.length - told.length;
  if (more > 0) return `${told.join(", ")} and ${more} more`;
  const last = told.pop() ?? "nobody";
  return told.length === 0 ? last : `${told.join(", ")} and ${last}`;
}

/** `1 node`, `2 nodes`. */
export function count(n: number, noun: string, plural = `${noun}s`): string {
  return `${n} ${n === 1 ? noun : plural}`;
}

/** Why something failed, in one line. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
