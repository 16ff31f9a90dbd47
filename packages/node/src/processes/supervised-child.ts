/**
 * A program as a child process: started with its settings, started again after a crash with growing
 * pauses, stopped with the daemon. What it says goes to a bounded file; its last complaints are
 * kept for error messages.
 *
 * Nothing of the environment is handed on but PATH, because programs take settings from it. When
 * the daemon dies, the child's output has no reader and the system ends it at its next line
 * (SIGPIPE); `endOrphans` ends it at the next start, should it still run.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import type { Clock, Logger, Random, Timer } from "@hearthmesh/core";
import { ChildOutput, type ComplaintOf } from "./child-output.js";
import {
  CHILD_RESTART_MS_MAX,
  CHILD_RESTART_MS_MIN,
  CHILD_STEADY_MS,
  CHILD_STOP_MS_MAX,
} from "./limits.js";

export interface SupervisedChildOptions {
  /** For people, such as `etcd`. */
  readonly name: string;
  readonly path: string;
  /** Asked at every start: the next one may differ. */
  readonly args: () => readonly string[];
  readonly logPath: string;
  readonly complaintOf: ComplaintOf;
  /** The variable PATH. */
  readonly searchPath: string | undefined;
  /** Called after each start and each end. */
  readonly onChange?: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export class SupervisedChild {
  readonly #options: SupervisedChildOptions;
  readonly #output: ChildOutput;
  #child: ChildProcess | undefined;
  #wanted = false;
  /** Counts orders, so that a restart that waits for the end sees that it was stopped meanwhile. */
  #order = 0;
  #crashes = 0;
  #ends = 0;
  #startedMs = 0;
  #lastEnd: string | undefined;
  #timer: Timer | undefined;

  constructor(options: SupervisedChildOptions) {
    this.#options = options;
    this.#output = new ChildOutput(options.logPath, options.complaintOf);
  }

  /** The process runs; whether it answers is another question. */
  get running(): boolean {
    return this.#child !== undefined;
  }

  /** Somebody wants it to run: between `start` and `stop`. */
  get wanted(): boolean {
    return this.#wanted;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Ends in a row, each soon after its start. */
  get crashes(): number {
    return this.#crashes;
  }

  /** Ends that nobody asked for, since `start`. */
  get ends(): number {
    return this.#ends;
  }

  /** How it ended the last time, with its last complaint. */
  get lastEnd(): string | undefined {
    return this.#lastEnd;
  }

  /** Monotonic, of the present process; undefined while none runs. */
  get startedMs(): number | undefined {
    return this.#child === undefined ? undefined : this.#startedMs;
  }

  /** Its last warnings and errors, oldest first. */
  get complaints(): readonly string[] {
    return this.#output.complaints;
  }

  start(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#order++;
    this.#crashes = 0;
    this.#ends = 0;
    this.#launch();
  }

  /** SIGTERM, and SIGKILL after a grace. Safe to call twice; it can be started again. */
  async stop(): Promise<void> {
    this.#wanted = false;
    this.#order++;
    this.#timer?.cancel();
    await this.#end();
    this.#output.close();
  }

  /** Ends the present process, if one runs, and starts another without a pause. */
  async restart(): Promise<void> {
    if (!this.#wanted) return;
    this.#wanted = false;
    const order = ++this.#order;
    this.#timer?.cancel();
    await this.#end();
    if (order !== this.#order) return;
    this.#wanted = true;
    this.#launch();
  }

  async #end(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const { name, clock, log } = this.#options;
    const ended = once(child, "close");
    child.kill("SIGTERM");
    const patience = clock.setTimeout(() => {
      log.warn(`${name} did not end in time and is killed`);
      child.kill("SIGKILL");
    }, CHILD_STOP_MS_MAX);
    await ended;
    patience.cancel();
  }

  #launch(): void {
    const { path, args, clock, searchPath, onChange } = this.#options;
    this.#output.clearComplaints();
    this.#startedMs = clock.monotonicMs();
    const child = spawn(path, [...args()], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: searchPath },
      // A Ctrl-C goes to the whole group of the daemon: a child in it would end by itself, look
      // like a crash, and be started again.
      detached: true,
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
    onChange?.();
  }

  #ended(how: string): void {
    const { name, clock, random, log, onChange } = this.#options;
    this.#child = undefined;
    if (this.#wanted) {
      const ranMs = clock.monotonicMs() - this.#startedMs;
      this.#crashes = ranMs >= CHILD_STEADY_MS ? 1 : this.#crashes + 1;
      this.#ends++;
      const reason = [how, ...this.complaints.slice(-1)].join(": ");
      this.#lastEnd = reason;
      const delayMs = Math.round(restartDelayMs(this.#crashes, random.float()));
      log.error(`${name} ended; it is started again`, { reason, attempt: this.#crashes, delayMs });
      this.#timer = clock.setTimeout(() => this.#launch(), delayMs);
    }
    onChange?.();
  }
}

/** Doubles with every crash in a row, up to a maximum; `shift` in [0, 1) spreads it. */
export function restartDelayMs(crashes: number, shift: number): number {
  const fullMs = CHILD_RESTART_MS_MIN * 2 ** Math.min(crashes - 1, 20);
  return Math.min(fullMs, CHILD_RESTART_MS_MAX) * (0.5 + shift / 2);
}
