/**
 * What a command may touch: the terminal, the environment, time. Handed in, so that tests can look.
 */
import type { Readable, Writable } from "node:stream";
import {
  type Clock,
  type Logger,
  printableJson,
  type Random,
  silentLogger,
} from "@hearthmesh/core";
import pc from "picocolors";

type Colours = ReturnType<typeof pc.createColors>;

export interface Cli {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Somebody sits at standard input and standard error, and can be asked and shown a bar. */
  readonly interactive: boolean;
  /** Standard output is a terminal. */
  readonly terminal: boolean;
  readonly colours: Colours;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

export interface CliStreams {
  stdin: Readable & { isTTY?: boolean };
  stdout: Writable & { isTTY?: boolean };
  stderr: Writable & { isTTY?: boolean };
}

export function createCli(options: {
  env: Cli["env"];
  cwd: string;
  streams: CliStreams;
  clock: Clock;
  random: Random;
  signal: AbortSignal;
}): Cli {
  const { env, cwd, clock, random, signal } = options;
  const { stdin, stdout, stderr } = options.streams;
  const terminal = stdout.isTTY === true;
  const coloured = (terminal && !env.NO_COLOR && env.TERM !== "dumb") || Boolean(env.FORCE_COLOR);
  return {
    env,
    cwd,
    stdin,
    stdout,
    stderr,
    interactive: stdin.isTTY === true && stderr.isTTY === true && !env.CI,
    terminal,
    colours: pc.createColors(coloured),
    clock,
    random,
    log: silentLogger,
    signal,
  };
}

/** One line on standard output. */
export function print(cli: Cli, line = ""): void {
  cli.stdout.write(`${line}\n`);
}

/** A value for programs; on a terminal too, names of others in it command nothing. */
export function printJson(cli: Cli, value: unknown): void {
  cli.stdout.write(`${printableJson(JSON.stringify(value, undefined, 2))}\n`);
}

/** A line for people that is not part of the result. */
export function note(cli: Cli, line: string): void {
  cli.stderr.write(`${line}\n`);
}
