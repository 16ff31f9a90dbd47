/** Times and grants as people read them, and text from others made harmless for a terminal. */
import { printable } from "@hearthmesh/core";
import type { Grant } from "@hearthmesh/gateway/contracts";

export { printable };

/** `2026-11-21 03:40`, in the time of this machine. */
export function formatTime(timeMs: number): string {
  const date = new Date(timeMs);
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** `2026-11-21 03:40:05 +01:00`, in the time of this machine: where seconds and zones matter. */
export function formatMoment(timeMs: number): string {
  const offsetMinutes = -new Date(timeMs).getTimezoneOffset();
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  const size = Math.abs(offsetMinutes);
  const zone = `${offsetMinutes < 0 ? "-" : "+"}${two(size / 60)}:${two(size % 60)}`;
  const seconds = two(new Date(timeMs).getSeconds());
  return `${formatTime(timeMs)}:${seconds} ${offsetMinutes === 0 ? "UTC" : zone}`;
}

/** `3 d`, `5 h`, `12 min`, `4 s`. */
export function formatDuration(durationMs: number): string {
  const seconds = Math.max(0, Math.round(durationMs / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** A grant as an answer or a file of ours holds it. */
type GrantView = Readonly<Omit<Grant, "rights">> & { readonly rights: readonly string[] };

/** `/shared: read, write (until 2026-11-22 03:40)` */
export function formatGrantLine(grant: GrantView): string {
  const deny = grant.effect === "deny" ? "not " : "";
  const end = grant.notAfterMs === undefined ? "" : ` (until ${formatTime(grant.notAfterMs)})`;
  return `${printable(grant.path)}: ${deny}${grant.rights.join(", ")}${end}`;
}

/** `printable` for text of several lines: ends of lines and tabs stay. */
export function printableLines(text: string): string {
  return text.replace(/[^\n\t]+/g, printable);
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
