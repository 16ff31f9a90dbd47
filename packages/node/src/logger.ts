/** The logger on pino: JSON lines in `logs/<name>.log`, short lines for people on the terminal. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Writable } from "node:stream";
import { type LogFields, type Logger, printable, printableJson } from "@hearthmesh/core";
import { pino } from "pino";

export interface NodeLogger {
  logger: Logger;
  /** Writes out what is buffered; for the end of the process. */
  flush(): void;
}

/**
 * `terminal` gets a line for people when it is a terminal, else the same JSON as the file. The file
 * is reopened by pino's destination on SIGHUP of a log rotation through `reopen`.
 */
export function openLogger(options: {
  home: string;
  /** Of the file; default `node`. */
  name?: string | undefined;
  level: "debug" | "info" | "warn" | "error";
  terminal: NodeJS.WriteStream;
  /** Of the request that the present work is for. */
  traceId?: () => string | undefined;
}): NodeLogger {
  const folder = join(options.home, "logs");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = pino.destination({
    dest: join(folder, `${options.name ?? "node"}.log`),
    sync: true,
    mode: 0o600,
  });
  const screen = options.terminal.isTTY ? linesForPeople(options.terminal) : options.terminal;
  const base = pino(
    {
      ...{ level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
      // A log is looked at on terminals, and others chose some of its words.
      hooks: { streamWrite: printableJson },
      mixin: () => {
        const traceId = options.traceId?.();
        return traceId === undefined ? {} : { traceId };
      },
    },
    pino.multistream([
      { stream: file, level: options.level },
      { stream: screen, level: options.level },
    ]),
  );
  return { logger: wrap(base), flush: () => file.flushSync() };
}

function wrap(inner: pino.Logger): Logger {
  const at =
    (level: "debug" | "info" | "warn" | "error") =>
    (message: string, fields: LogFields = {}): void =>
      inner[level](fields, message);
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => wrap(inner.child(fields)),
  };
}

const LEVEL_NAMES: Record<number, string> = { 20: "debug", 30: "info", 40: "warn", 50: "error" };

function linesForPeople(out: NodeJS.WriteStream): Writable {
  return new Writable({
    write(line: Buffer, _encoding, done) {
      const { level, time, msg, ...fields } = JSON.parse(line.toString("utf8")) as {
        level: number;
        time: string;
        msg: string;
      } & LogFields;
      const facts = Object.entries(fields)
        .map(([name, value]) => `${name}=${value}`)
        .join(" ");
      const label = (LEVEL_NAMES[level] ?? String(level)).padEnd(5);
      const text = `${msg}${facts === "" ? "" : `  ${facts}`}`;
      // Others chose some of the words, such as those of an incident: one line, and no commands.
      out.write(`${time.slice(11, 19)} ${label} ${printable(text)}\n`, done);
    },
  });
}
