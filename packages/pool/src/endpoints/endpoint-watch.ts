/**
 * Looks at this node's endpoints in turn: whether they answer, and what they serve. The rules of
 * `stepHealth` hold as for services: one success is enough, two failures are needed, a request that
 * could not connect decides at once.
 */
import type { Clock, Logger, Random, Startable, Timer } from "@hearthmesh/core";
import { HEALTH_UNKNOWN, type HealthState, nextCheckMs, stepHealth } from "@hearthmesh/membership";
import type { EndpointHttp } from "./endpoint-http.js";
import type { EndpointRegistry } from "./endpoint-registry.js";
import type { EndpointRecord } from "./endpoint-service.js";
import { ENDPOINT_CHECK_INTERVAL_MS, ENDPOINT_CHECK_MS_MAX } from "./limits.js";

export interface EndpointWatchOptions {
  readonly registry: EndpointRegistry;
  readonly http: Pick<EndpointHttp, "models">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

interface Watched {
  readonly endpoint: EndpointRecord;
  readonly stopped: AbortController;
  state: HealthState;
  /** As it said last; what the operator named before that. */
  models: readonly string[];
  timer: Timer | undefined;
  looking: Promise<void> | undefined;
}

export class EndpointWatch implements Startable {
  readonly name = "endpoint health";
  readonly #options: EndpointWatchOptions;
  readonly #watched = new Map<string, Watched>();
  #unsubscribe: (() => void) | undefined;

  constructor(options: EndpointWatchOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#unsubscribe ??= this.#options.registry.onChange(() => this.#follow());
    this.#follow();
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    for (const one of this.#watched.values()) this.#forget(one);
  }

  stateOf(name: string): HealthState {
    return this.#watched.get(name)?.state ?? HEALTH_UNKNOWN;
  }

  modelsOf(name: string): readonly string[] {
    return this.#watched.get(name)?.models ?? [];
  }

  /** The look that is under way, or was the last. */
  async looked(name: string): Promise<void> {
    await this.#watched.get(name)?.looking;
  }

  /** A request did not reach it. */
  connectFailed(name: string, reason: string): void {
    const one = this.#watched.get(name);
    if (one !== undefined)
      this.#step(one, stepHealth(one.state, { type: "connect-failed", reason }));
  }

  #follow(): void {
    const present = this.#options.registry.list();
    for (const one of [...this.#watched.values()]) {
      if (!present.includes(one.endpoint)) this.#forget(one);
    }
    for (const endpoint of present) {
      if (this.#watched.has(endpoint.name)) continue;
      const one: Watched = {
        endpoint,
        stopped: new AbortController(),
        state: HEALTH_UNKNOWN,
        models: endpoint.models,
        timer: undefined,
        looking: undefined,
      };
      this.#watched.set(endpoint.name, one);
      one.looking = this.#look(one);
    }
  }

  #forget(one: Watched): void {
    one.timer?.cancel();
    one.stopped.abort();
    this.#watched.delete(one.endpoint.name);
  }

  /** Never rejects. */
  async #look(one: Watched): Promise<void> {
    const { clock, http, random } = this.#options;
    const limit = new AbortController();
    const giveUp = () => limit.abort(new Error("no answer in time"));
    const timer = clock.setTimeout(giveUp, ENDPOINT_CHECK_MS_MAX);
    one.stopped.signal.addEventListener("abort", giveUp, { once: true });
    let next: HealthState;
    try {
      one.models = await http.models(one.endpoint, limit.signal);
      next = stepHealth(one.state, { type: "ok" });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      next = stepHealth(one.state, { type: "failed", reason });
    } finally {
      timer.cancel();
      one.stopped.signal.removeEventListener("abort", giveUp);
    }
    if (one.stopped.signal.aborted) return;
    this.#step(one, next);
    const delayMs = nextCheckMs(one.state, ENDPOINT_CHECK_INTERVAL_MS, random.float());
    one.timer = clock.setTimeout(() => {
      one.looking = this.#look(one);
    }, delayMs);
  }

  #step(one: Watched, next: HealthState): void {
    const before = one.state;
    one.state = next;
    if (next.health === before.health) return;
    const { log } = this.#options;
    const endpoint = `endpoint ${one.endpoint.name}`;
    if (next.health === "failing")
      log.warn(`${endpoint} does not work`, { reason: next.reason ?? "" });
    else log.info(`${endpoint} works`);
  }
}
