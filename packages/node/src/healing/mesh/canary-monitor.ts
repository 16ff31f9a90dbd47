/**
 * Whether this node does its work, as its canary finds out with real operations. A canary costs
 * something, so it sings every quarter of a minute, and sooner after it failed.
 */
import type { Clock } from "@hearthmesh/core";
import type { HealthCheck, HealthResponse } from "@hearthmesh/gateway/contracts";
import type { Fact, Monitor, Subject, Verdict } from "@hearthmesh/healing";
import { CANARY_AGAIN_MS, CANARY_EVERY_MS, CANARY_HOLD_MS, CANARY_STARTING_MS } from "./limits.js";

export interface CanaryMonitorOptions {
  ready(): Promise<HealthResponse>;
  readonly node: { readonly nodeId: string; readonly name: string };
  readonly clock: Clock;
}

const VERDICTS: Readonly<Record<HealthCheck["status"], Verdict>> = {
  ok: "well",
  // It works, and could be better: others tell of that.
  degraded: "well",
  failing: "ill",
  unknown: "unknown",
};

export class CanaryMonitor implements Monitor {
  readonly name = "canary";
  readonly #options: CanaryMonitorOptions;
  /** Steps that worked once. */
  readonly #worked = new Set<string>();
  readonly #startedMs: number;
  #facts: readonly Fact[] = [];
  #nextMs = Number.NEGATIVE_INFINITY;

  constructor(options: CanaryMonitorOptions) {
    this.#options = options;
    this.#startedMs = options.clock.monotonicMs();
  }

  async look(): Promise<readonly Fact[]> {
    const { ready, clock } = this.#options;
    if (clock.monotonicMs() < this.#nextMs) return this.#facts;
    const { checks } = await ready();
    this.#facts = checks.map((check) => this.#fact(check));
    const isWell = this.#facts.every(({ verdict }) => verdict === "well");
    this.#nextMs = clock.monotonicMs() + (isWell ? CANARY_EVERY_MS : CANARY_AGAIN_MS);
    return this.#facts;
  }

  #fact({ name, status, reason }: HealthCheck): Fact {
    const { node, clock } = this.#options;
    if (status === "ok") this.#worked.add(name);
    // What has never worked is still starting; after a while it is failing all the same.
    const isStarting = clock.monotonicMs() - this.#startedMs < CANARY_STARTING_MS;
    const isNew = isStarting && !this.#worked.has(name);
    const verdict = isNew && status === "failing" ? "unknown" : VERDICTS[status];
    const id = `${node.nodeId}/${name}`;
    const subject: Subject = { type: "canary", id, name: `${node.name} (${name})` };
    const evidence = reason ?? `the step ${name} says ${status}`;
    // Once is the weather, such as a link that broke and is dialled again.
    const holdMs = CANARY_HOLD_MS;
    return { symptom: "canary-failing", subject, verdict, evidence, holdMs };
  }
}
