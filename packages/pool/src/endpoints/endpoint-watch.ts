/** Looks at this node's endpoints in turn: whether they answer, and which models they serve. */
import type { Clock, Logger, Random, Startable } from "@hearthmesh/core";
import { HealthChecker, type HealthState } from "@hearthmesh/membership";
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

const CHECK_TIMES = { intervalMs: ENDPOINT_CHECK_INTERVAL_MS, timeoutMs: ENDPOINT_CHECK_MS_MAX };

export class EndpointWatch implements Startable {
  readonly name = "endpoint health";
  readonly #checker: HealthChecker<EndpointRecord>;
  /** As each said last; with the record, what is known about it goes. */
  readonly #models = new WeakMap<EndpointRecord, readonly string[]>();

  constructor({ http, ...options }: EndpointWatchOptions) {
    this.#checker = new HealthChecker({
      ...options,
      noun: "endpoint",
      timesOf: () => CHECK_TIMES,
      probe: async (endpoint, signal) => {
        this.#models.set(endpoint, await http.models(endpoint, signal));
      },
    });
  }

  start(): Promise<void> {
    return this.#checker.start();
  }

  stop(): Promise<void> {
    return this.#checker.stop();
  }

  stateOf(name: string): HealthState {
    return this.#checker.healthOf(name);
  }

  /** As it said last; what the operator named before that. */
  modelsOf(endpoint: EndpointRecord): readonly string[] {
    return this.#models.get(endpoint) ?? endpoint.models;
  }

  /** The look that is under way, or another one. */
  async look(name: string): Promise<void> {
    await this.#checker.checkNow(name);
  }

  /** A request did not reach it. */
  connectFailed(name: string, reason: string): void {
    this.#checker.connectFailed(name, reason);
  }
}
