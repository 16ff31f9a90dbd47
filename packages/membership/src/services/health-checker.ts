/** Looks after the services of this node; `health-machine.ts` says when, this performs it. */
import type { Clock, Logger, Random, Startable, Timer } from "@hearthmesh/core";
import {
  HEALTH_UNKNOWN,
  type HealthEvent,
  type HealthState,
  nextCheckMs,
  stepHealth,
} from "./health-machine.js";
import { HEALTH_CHECKS_AT_ONCE_MAX, HEALTH_RECHECK_MS } from "./limits.js";
import type { ServiceDefinition } from "./service-definition.js";
import type { ServiceRegistry } from "./service-registry.js";

/** Resolves when the service works; rejects with why not. Gives up when `signal` is aborted. */
export type ServiceProber = (service: ServiceDefinition, signal: AbortSignal) => Promise<void>;

export interface HealthCheckerOptions {
  readonly registry: ServiceRegistry;
  readonly probe: ServiceProber;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

interface Watched {
  readonly service: ServiceDefinition;
  readonly stopped: AbortController;
  state: HealthState;
  timer: Timer | undefined;
  checking: boolean;
}

export class HealthChecker implements Startable {
  readonly name = "service health";
  readonly #options: HealthCheckerOptions;
  readonly #watched = new Map<string, Watched>();
  readonly #listeners = new Set<() => void>();
  #unsubscribe: (() => void) | undefined;
  #checking = 0;

  constructor(options: HealthCheckerOptions) {
    this.#options = options;
  }

  /** Checks everything at once, and new services as they come. */
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

  /** A request could not open a connection to the service. */
  connectFailed(name: string, reason: string): void {
    const one = this.#watched.get(name);
    if (one === undefined) return;
    this.#step(one, { type: "connect-failed", reason });
    if (!one.checking) this.#schedule(one, HEALTH_RECHECK_MS);
  }

  /** Checks it now, instead of when its next check is due, and answers what came of it. */
  async checkNow(name: string): Promise<HealthState> {
    const one = this.#watched.get(name);
    if (one === undefined || one.checking) return this.healthOf(name);
    one.timer?.cancel();
    await this.#check(one);
    return one.state;
  }

  /** Called when a service becomes ok or failing; answers how to stop listening. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Watches what the registry has, and nothing else. */
  #follow(): void {
    const present = this.#options.registry.list();
    for (const one of [...this.#watched.values()]) {
      if (!present.includes(one.service)) this.#forget(one);
    }
    for (const service of present) {
      if (this.#watched.has(service.name)) continue;
      const one: Watched = {
        service,
        stopped: new AbortController(),
        state: HEALTH_UNKNOWN,
        timer: undefined,
        checking: false,
      };
      this.#watched.set(service.name, one);
      void this.#check(one);
    }
  }

  #forget(one: Watched): void {
    one.timer?.cancel();
    one.stopped.abort();
    this.#watched.delete(one.service.name);
  }

  /** Never rejects. */
  async #check(one: Watched): Promise<void> {
    if (this.#checking >= HEALTH_CHECKS_AT_ONCE_MAX) {
      this.#schedule(one, HEALTH_RECHECK_MS * this.#options.random.float());
      return;
    }
    one.checking = true;
    this.#checking++;
    const event = await this.#probe(one);
    this.#checking--;
    one.checking = false;
    if (one.stopped.signal.aborted) return;
    this.#step(one, event);
    const { intervalMs } = one.service.health;
    this.#schedule(one, nextCheckMs(one.state, intervalMs, this.#options.random.float()));
  }

  async #probe({ service, stopped }: Watched): Promise<HealthEvent> {
    const { timeoutMs } = service.health;
    const limit = new AbortController();
    const giveUp = () => limit.abort();
    const timer = this.#options.clock.setTimeout(giveUp, timeoutMs);
    stopped.signal.addEventListener("abort", giveUp, { once: true });
    try {
      await abortable(this.#options.probe(service, limit.signal), limit.signal);
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

  #schedule(one: Watched, delayMs: number): void {
    one.timer?.cancel();
    one.timer = this.#options.clock.setTimeout(() => void this.#check(one), delayMs);
  }

  #step(one: Watched, event: HealthEvent): void {
    const before = one.state;
    one.state = stepHealth(before, event);
    const { health, reason } = one.state;
    if (health === before.health) return;
    const { log } = this.#options;
    const service = `service ${one.service.name}`;
    if (health === "failing") log.warn(`${service} does not work`, { reason: reason ?? "" });
    else log.info(`${service} works`);
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
