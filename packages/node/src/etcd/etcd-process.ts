/**
 * etcd as a child process: started with its settings, started again after a crash, stopped with the
 * daemon. What it says goes to a bounded file; its last complaints are kept for error messages.
 *
 * Nothing of the environment is handed on but PATH, because etcd takes settings from it. When the
 * daemon dies, etcd's output has no reader and the system ends it at its next line (SIGPIPE);
 * `endOrphans` ends it at the next start, should it still run.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import type { Clock, Logger, Random, Timer } from "@hearthmesh/core";
import { EtcdOutput } from "./etcd-output.js";
import {
  ETCD_RESTART_MS_MAX,
  ETCD_RESTART_MS_MIN,
  ETCD_STEADY_MS,
  ETCD_STOP_MS_MAX,
} from "./limits.js";

export interface EtcdProcessOptions {
  path: string;
  /** Of every start: an etcd that joined a cluster is started differently the next time. */
  args: () => readonly string[];
  logPath: string;
  searchPath: string | undefined;
  clock: Clock;
  random: Random;
  log: Logger;
}

export class EtcdProcess {
  readonly #options: EtcdProcessOptions;
  readonly #output: EtcdOutput;
  #child: ChildProcess | undefined;
  #wanted = false;
  #crashes = 0;
  #startedMs = 0;
  #timer: Timer | undefined;

  constructor(options: EtcdProcessOptions) {
    this.#options = options;
    this.#output = new EtcdOutput(options.logPath);
  }

  /** The process runs; whether it answers is another question. */
  get running(): boolean {
    return this.#child !== undefined;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Ends in a row, each soon after its start. */
  get crashes(): number {
    return this.#crashes;
  }

  /** Its last warnings and errors, oldest first. */
  get complaints(): readonly string[] {
    return this.#output.complaints;
  }

  start(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#crashes = 0;
    this.#launch();
  }

  /** SIGTERM, and SIGKILL after a grace. Safe to call twice; it can be started again. */
  async stop(): Promise<void> {
    this.#wanted = false;
    this.#timer?.cancel();
    const child = this.#child;
    if (child !== undefined) {
      const ended = once(child, "close");
      child.kill("SIGTERM");
      const { clock, log } = this.#options;
      const patience = clock.setTimeout(() => {
        log.warn("etcd did not end in time and is killed");
        child.kill("SIGKILL");
      }, ETCD_STOP_MS_MAX);
      await ended;
      patience.cancel();
    }
    this.#output.close();
  }

  #launch(): void {
    const { path, args, clock, searchPath } = this.#options;
    this.#output.clearComplaints();
    this.#startedMs = clock.monotonicMs();
    const child = spawn(path, [...args()], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: searchPath },
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr] as Readable[]) {
      stream.on("data", (bytes: Buffer) => this.#output.take(bytes));
    }
    let reason = "";
    child.once("error", (error) => {
      reason = error.message;
    });
    child.once("close", (status, signal) => {
      this.#ended(reason || (signal ?? `status ${status}`));
    });
  }

  #ended(reason: string): void {
    const { clock, random, log } = this.#options;
    this.#child = undefined;
    if (!this.#wanted) return;
    const ranMs = clock.monotonicMs() - this.#startedMs;
    this.#crashes = ranMs >= ETCD_STEADY_MS ? 1 : this.#crashes + 1;
    const delayMs = restartDelayMs(this.#crashes, random.float());
    log.error("etcd ended; it is started again", {
      reason: [reason, ...this.complaints.slice(-1)].join(": "),
      attempt: this.#crashes,
      delayMs: Math.round(delayMs),
    });
    this.#timer = clock.setTimeout(() => this.#launch(), delayMs);
  }
}

/** Doubles with every crash in a row, up to a maximum; `shift` in [0, 1) spreads it. */
export function restartDelayMs(crashes: number, shift: number): number {
  const fullMs = ETCD_RESTART_MS_MIN * 2 ** Math.min(crashes - 1, 20);
  return Math.min(fullMs, ETCD_RESTART_MS_MAX) * (0.5 + shift / 2);
}
