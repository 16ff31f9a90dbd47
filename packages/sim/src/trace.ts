/**
 * What happened, in order, with virtual times. Every line goes into a running SHA-256, so that two
 * runs can be compared by one number; the last lines are kept for people.
 */
import { createHash } from "node:crypto";

/** Lines kept in memory; the hash covers all. */
const TRACE_LINES_MAX = 2000;

export interface Trace {
  /** `actor` did or met `event`. Lines with `quiet` are hashed and not kept. */
  record(actor: string, event: string, options?: { quiet?: boolean }): void;
  /** For whoever watches only: neither hashed nor kept, so that watching changes nothing. */
  note(actor: string, event: string): void;
  /** Hash of every line so far, hexadecimal. */
  hash(): string;
  /** The last lines, oldest first. */
  readonly lines: readonly string[];
  /** Lines in all. */
  readonly count: number;
}

export interface TraceOptions {
  clock: { monotonicMs(): number };
  /** Called with each line that is kept. */
  onLine?: (line: string) => void;
}

export function createTrace(options: TraceOptions): Trace {
  const hash = createHash("sha256");
  const lines: string[] = [];
  let count = 0;
  return {
    lines,
    get count() {
      return count;
    },
    record(actor, event, { quiet = false } = {}) {
      const line = `${formatTime(options.clock.monotonicMs())} ${actor} ${event}`;
      hash.update(`${line}\n`);
      count++;
      if (quiet) return;
      lines.push(line);
      if (lines.length > TRACE_LINES_MAX) lines.shift();
      options.onLine?.(line);
    },
    note(actor, event) {
      options.onLine?.(`${formatTime(options.clock.monotonicMs())} ${actor} ${event}`);
    },
    hash: () => hash.copy().digest("hex"),
  };
}

function formatTime(ms: number): string {
  return `${(ms / 1000).toFixed(4).padStart(10)}s`;
}
