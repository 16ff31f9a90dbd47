/**
 * The logger of a simulated process: warnings and errors are traced, the rest is for who watches.
 */
import type { LogFields, Logger } from "@hearthmesh/core";
import type { Trace } from "./trace.js";

export interface TraceLoggerOptions {
  trace: Trace;
  actor: string;
}

export function traceLogger(options: TraceLoggerOptions, bound: LogFields = {}): Logger {
  const { trace, actor } = options;
  const text = (level: string, message: string, fields: LogFields = {}) =>
    `[${level}] ${message}${formatFields({ ...bound, ...fields })}`;
  return {
    debug: (message, fields) => trace.note(actor, text("debug", message, fields)),
    info: (message, fields) => trace.note(actor, text("info", message, fields)),
    warn: (message, fields) => trace.record(actor, text("warn", message, fields)),
    error: (message, fields) => trace.record(actor, text("error", message, fields)),
    child: (fields) => traceLogger(options, { ...bound, ...fields }),
  };
}

function formatFields(fields: LogFields): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${typeof value === "string" ? value : String(value)}`)
    .join("");
}
