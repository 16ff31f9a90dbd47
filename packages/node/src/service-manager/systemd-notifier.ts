/**
 * Tells systemd how this service is (`Type=notify`): that it is up, what it does, that it stops,
 * and in time for its watchdog that the event loop turns. See sd_notify(3).
 *
 * The messages are datagrams to a Unix socket, which Node cannot send: systemd's own program
 * `systemd-notify` does, and waits until they were read. It is another process than the service's
 * main one, so the unit needs `NotifyAccess=all`.
 */
import { execFile } from "node:child_process";
import { type Clock, errorFields, type Logger, type Timer } from "@hearthmesh/core";
import { findProgram } from "../processes/find-program.js";

/** A message that takes longer is given up. */
const SEND_MS_MAX = 5_000;
/** A timer of Node that waits for more than 24 days does not wait at all. */
const WATCHDOG_MS_MAX = 3_600_000;
/** Of a status: one line for people. */
const STATUS_LENGTH_MAX = 200;
const FOLDERS = ["/usr/bin", "/bin"];

type Environment = Record<string, string | undefined>;

export interface NotifyTarget {
  /** Path of a socket, or an abstract one behind an `@`. */
  readonly socket: string;
  /** Within this time systemd wants to hear from us; undefined without a watchdog. */
  readonly watchdogMs: number | undefined;
}

/**
 * What systemd said in the environment, which is taken out of it: etcd and others that this process
 * starts would answer in its place. Undefined when nobody asked.
 */
export function takeNotifyTarget(env: Environment, pid: number): NotifyTarget | undefined {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: microseconds, WATCHDOG_PID: watched } = env;
  for (const name of ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]) delete env[name];
  if (socket === undefined || !/^[/@]/.test(socket)) return undefined;
  const isOurs = watched === undefined || Number(watched) === pid;
  const askedMs = Math.min(Number(microseconds) / 1000, WATCHDOG_MS_MAX);
  const isTime = askedMs >= 1;
  return { socket, watchdogMs: isOurs && isTime ? askedMs : undefined };
}

export interface SystemdNotifierOptions {
  readonly target: NotifyTarget;
  /** The variable PATH. */
  readonly searchPath: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

export class SystemdNotifier {
  readonly #options: SystemdNotifierOptions;
  #timer: Timer | undefined;
  #sending: Promise<void> = Promise.resolve();
  #isStopping = false;
  #hasFailed = false;

  constructor(options: SystemdNotifierOptions) {
    this.#options = options;
  }

  /** While it starts: `systemctl status` shows it. */
  async status(text: string): Promise<void> {
    await this.#send([statusLine(text)]);
  }

  /** From now on the watchdog is fed. */
  async ready(text: string): Promise<void> {
    await this.#send(["READY=1", statusLine(text)]);
    this.#feed();
  }

  async stopping(): Promise<void> {
    this.#isStopping = true;
    this.#timer?.cancel();
    await this.#send(["STOPPING=1", statusLine("stopping")]);
  }

  /** Twice in its time, as sd_watchdog_enabled(3) recommends; never two at once. */
  #feed(): void {
    const { clock, target } = this.#options;
    if (target.watchdogMs === undefined || this.#isStopping) return;
    this.#timer = clock.setTimeout(() => {
      void this.#send(["WATCHDOG=1"]).then(() => this.#feed());
    }, target.watchdogMs / 2);
  }

  #send(lines: readonly string[]): Promise<void> {
    this.#sending = this.#sending.then(() => this.#sendNow(lines));
    return this.#sending;
  }

  /** A failure is said once, and does not keep the node from running. */
  async #sendNow(lines: readonly string[]): Promise<void> {
    const { target, searchPath, log } = this.#options;
    try {
      const program = await findProgram("systemd-notify", searchPath, FOLDERS);
      if (program === undefined) throw new Error("the program systemd-notify is missing");
      await runOnce(program, lines, { PATH: searchPath, NOTIFY_SOCKET: target.socket });
      this.#hasFailed = false;
    } catch (error) {
      if (!this.#hasFailed) log.warn("systemd could not be told", errorFields(error));
      this.#hasFailed = true;
    }
  }
}

function runOnce(program: string, args: readonly string[], env: Environment): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = { env, timeout: SEND_MS_MAX, killSignal: "SIGKILL" as const };
    execFile(program, [...args], options, (error) => (error === null ? resolve() : reject(error)));
  });
}

/** A line break would begin another message. */
function statusLine(text: string): string {
  return `STATUS=${text.replace(/\s+/g, " ").slice(0, STATUS_LENGTH_MAX)}`;
}
