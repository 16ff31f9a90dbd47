/**
 * The command of `mesh lock run`: it gets the signals that come for us, and is ended when the lock
 * is lost.
 *
 * Without a terminal the command has a process group of its own, and signals go to all of the
 * group: what it started ends with it. At a terminal it stays in the terminal's group, so that it
 * can read from the terminal; Ctrl-C then reaches it from there, and is not sent a second time.
 */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import type { Clock } from "@hearthmesh/core";
import { MeshError } from "@hearthmesh/core";
import type { Cli } from "../cli.js";

/** `process`, as far as it is needed. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  off(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
}

export interface ChildOptions {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly streams: Pick<Cli, "stdin" | "stdout" | "stderr">;
  readonly signals: SignalSource;
  readonly clock: Clock;
  /** Ends the command: SIGTERM, and SIGKILL after `graceMs`. */
  readonly end: AbortSignal;
  readonly graceMs: number;
}

const PASSED_ON: readonly NodeJS.Signals[] = [
  "SIGINT",
  "SIGTERM",
  "SIGHUP",
  "SIGQUIT",
  "SIGUSR2",
  "SIGCONT",
];
/** Those that a terminal sends to its whole group by itself. */
const OF_TERMINAL: readonly NodeJS.Signals[] = ["SIGINT", "SIGQUIT", "SIGHUP", "SIGCONT"];

/** The command's exit status; 128 plus the signal's number when one ended it, as in a shell. */
export function runChild(options: ChildOptions): Promise<number> {
  const { command, cwd, streams, clock, end, graceMs } = options;
  const [program = "", ...args] = command;
  const hasTerminal = (streams.stdin as { isTTY?: boolean }).isTTY === true;
  const { stdio, connect } = streamsOf(streams);
  const env = { ...options.env } as NodeJS.ProcessEnv;
  const child = spawn(program, args, { cwd, env, stdio, detached: !hasTerminal });
  connect(child);
  const send = (signal: NodeJS.Signals) => {
    if (child.pid === undefined) return;
    try {
      process.kill(hasTerminal ? child.pid : -child.pid, signal);
    } catch {
      // It has ended already.
    }
  };
  const passOn = (signal: NodeJS.Signals) => {
    if (!hasTerminal || !OF_TERMINAL.includes(signal)) send(signal);
  };
  let killing: { cancel(): void } | undefined;
  const onEnd = () => {
    send("SIGTERM");
    killing = clock.setTimeout(() => send("SIGKILL"), graceMs);
  };
  return new Promise<number>((resolve, reject) => {
    const settle = () => {
      for (const signal of PASSED_ON) options.signals.off(signal, passOn);
      end.removeEventListener("abort", onEnd);
      killing?.cancel();
    };
    child.once("error", (error: NodeJS.ErrnoException) => {
      settle();
      reject(startError(program, error));
    });
    child.once("close", (status, signal) => {
      // What it left behind in its group must not go on either when the lock is lost.
      if (end.aborted && !hasTerminal) send("SIGKILL");
      settle();
      resolve(status ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
    for (const signal of PASSED_ON) options.signals.on(signal, passOn);
    end.addEventListener("abort", onEnd, { once: true });
    if (end.aborted) onEnd();
  });
}

type Child = ReturnType<typeof spawn>;

/** Our own streams are handed on as they are; others (in a test) are copied. */
function streamsOf({ stdin, stdout, stderr }: ChildOptions["streams"]) {
  const isOwn = stdin === process.stdin && stdout === process.stdout && stderr === process.stderr;
  const stdio = isOwn ? ("inherit" as const) : ("pipe" as const);
  const connect = (child: Child) => {
    if (isOwn) return;
    child.stdout?.pipe(stdout, { end: false });
    child.stderr?.pipe(stderr, { end: false });
    // A command that does not read its input breaks the pipe; that is its own matter.
    child.stdin?.on("error", () => undefined);
    if (child.stdin !== null) stdin.pipe(child.stdin);
  };
  return { stdio, connect };
}

function startError(program: string, error: NodeJS.ErrnoException): MeshError {
  const reasons: Record<string, string> = {
    ENOENT: "there is no such command",
    EACCES: "it may not be run",
  };
  const reason = reasons[error.code ?? ""] ?? error.message;
  return new MeshError("MESH_BAD_REQUEST", {
    message: `${program}: ${reason}`,
    hint: "Write the command after --, with its path when it is not in PATH.",
    cause: error,
  });
}
