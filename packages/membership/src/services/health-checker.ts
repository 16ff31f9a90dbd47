/**
 * Looks after what this node offers, its services and its endpoints, each in turn;
 * `health-machine.ts` says when, this performs it.
 */
import type { Clock, Logger, Random, Startable, Timer } from "@hearthmesh/core";
import {
  HEALTH_UNKNOWN,
  type HealthEvent,
  type HealthState,
  nextCheckMs,
  stepHealth,
} from "./health-machine.js";
import { HEALTH_CHECKS_AT_ONCE_MAX, HEALTH_RECHECK_MS } from "./limits.js";

/** Resolves when it works; rejects with why not. Gives up when `signal` is aborted. */
export type HealthProber<Target> = (target: Target, signal: AbortSignal) => Promise<void>;

export interface HealthCheckerOptions<Target> {
  /** What is checked, as the log calls it, such as `service`. */
  readonly noun: string;
  /** What there is to check, each under a name of its own. A changed one is another object. */
  readonly registry: {
    list(): readonly Target[];
    onChange(listener: () => void): () => void;
  };
  readonly probe: HealthProber<Target>;
  /** Between two checks, and for one. */
  timesOf(target: Target): { readonly intervalMs: number; readonly timeoutMs: number };
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

interface Watched<Target> {
  readonly target: Target;
  readonly stopped: AbortController;
  state: HealthState;
  timer: Timer | undefined;
  checking: Promise<void> | undefined;
}

export class HealthChecker<Target extends { readonly name: string }> implements Startable {
  readonly name: string;
  readonly #options: HealthCheckerOptions<Target>;
  readonly #watched = new Map<string, Watched<Target>>();
  readonly #listeners = new Set<() => void>();
  #unsubscribe: (() => void) | undefined;
  #checking = 0;

  constructor(options: HealthCheckerOptions<Target>) {
    this.name = `${options.noun} health`;
    this.#options = options;
  }

  /** Checks everything at once, and new ones as they come. */
  async start(): Promise<void> {
    this.#unsubscribe ??= this.#options.registry.onChange(() => this.#follow());
    this.#follow();
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    for (const one of this.#watched.values()) this.#forget(one);
  }

  healthOf(name: string): HealthState {
    return this.#watched.get(name)?.state ?? HEALTH_UNKNOWN;
  }

  /** A request could not open a connection to it. */
  connectFailed(name: string, reason: string): void {
    const one = this.#watched.get(name);
    if (one === undefined) return;
    this.#step(one, { type: "connect-failed", reason });
    if (one.checking === undefined) this.#schedule(one, HEALTH_RECHECK_MS);
  }

  /**
   * What came of the check that is under way, or of one that is made now instead of when it is due.
   */
  async checkNow(name: string): Promise<HealthState> {
    const one = this.#watched.get(name);
    if (one === undefined) return HEALTH_UNKNOWN;
    if (one.checking === undefined) this.#check(one);
    await one.checking;
    return one.state;
  }

  /** Called when one becomes ok or failing; answers how to stop listening. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Watches what the registry has, and nothing else. */
  #follow(): void {
    const present = this.#options.registry.list();
    for (const one of [...this.#watched.values()]) {
      if (!present.includes(one.target)) this.#forget(one);
    }
    for (const target of present) {
      if (this.#watched.has(target.name)) continue;
      const one: Watched<Target> = {
        target,
        stopped: new AbortController(),
        state: HEALTH_UNKNOWN,
        timer: undefined,
        checking: undefined,
      };
      this.#watched.set(target.name, one);
      this.#check(one);
    }
  }

  #forget(one: Watched<Target>): void {
    one.timer?.cancel();
    one.stopped.abort();
    this.#watched.delete(one.target.name);
  }

  /** Not when too many are under way: then its turn comes a little later. */
  #check(one: Watched<Target>): void {
    one.timer?.cancel();
    if (this.#checking >= HEALTH_CHECKS_AT_ONCE_MAX) {
      this.#schedule(one, HEALTH_RECHECK_MS * this.#options.random.float());
    } else one.checking = this.#look(one);
  }

  /** Never rejects. */
  async #look(one: Watched<Target>): Promise<void> {
    const { timesOf, random } = this.#options;
    this.#checking++;
    const event = await this.#probe(one);
    this.#checking--;
    one.checking = undefined;
    if (one.stopped.signal.aborted) return;
    this.#step(one, event);
    const { intervalMs } = timesOf(one.target);
    this.#schedule(one, nextCheckMs(one.state, intervalMs, random.float()));
  }

  async #probe({ target, stopped }: Watched<Target>): Promise<HealthEvent> {
    const { timeoutMs } = this.#options.timesOf(target);
    const limit = new AbortController();
    const giveUp = () => limit.abort();
    const timer = this.#options.clock.setTimeout(giveUp, timeoutMs);
    stopped.signal.addEventListener("abort", giveUp, { once: true });
    try {
      await abortable(this.#options.probe(target, limit.signal), limit.signal);
      return { type: "ok" };
    } catch (error) {
      const late = limit.signal.aborted;
      const reason = late ? `no answer within ${timeoutMs} ms` : textOf(error);
      return { type: "failed", reason };
    } finally {
      timer.cancel();
      stopped.signal.removeEventListener("abort", giveUp);
    }
  }

  #schedule(one: Watched<Target>, delayMs: number): void {
    one.timer?.cancel();
    one.timer = this.#options.clock.setTimeout(() => this.#check(one), delayMs);
  }

  #step(one: Watched<Target>, event: HealthEvent): void {
    const before = one.state;
    one.state = stepHealth(before, event);
    const { health, reason } = one.state;
    if (health === before.health) return;
    const { log, noun } = this.#options;
    const target = `${noun} ${one.target.name}`;
    if (health === "failing") log.warn(`${target} does not work`, { reason: reason ?? "" });
    else log.info(`${target} works`);
    for (const listener of [...this.#listeners]) listener();
  }
}

/** A prober that does not listen to its signal must not keep the check from ending. */
function abortable(work: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
