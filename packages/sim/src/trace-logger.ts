/** The logger of a simulated process: warnings and errors go into the trace, the rest on demand. */
import type { LogFields, Logger } from "@hearthmesh/core";
import type { Trace } from "./trace.js";

export interface TraceLoggerOptions {
  trace: Trace;
  actor: string;
  /** Also what only a debugger wants to know. */
  verbose: boolean;
}

export function traceLogger(options: TraceLoggerOptions, bound: LogFields = {}): Logger {
  const { trace, actor, verbose } = options;
  const write = (level: string, message: string, fields: LogFields = {}) =>
    trace.record(actor, `[${level}] ${message}${formatFields({ ...bound, ...fields })}`);
  return {
    debug: (message, fields) => verbose && write("debug", message, fields),
    info: (message, fields) => verbose && write("info", message, fields),
    warn: (message, fields) => write("warn", message, fields),
    error: (message, fields) => write("error", message, fields),
    child: (fields) => traceLogger(options, { ...bound, ...fields }),
  };
}

function formatFields(fields: LogFields): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${typeof value === "string" ? value : String(value)}`)
    .join("");
}
