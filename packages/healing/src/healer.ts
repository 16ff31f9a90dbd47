/** The runtime: it looks, asks the machine what follows, does it, and tells the machine. */
import { type Clock, type Logger, MeshError, type Random } from "@hearthmesh/core";
import type { Monitor } from "./fact.js";
import type {
  HealerService,
  HealerStatus,
  HealingCounters,
  HealingEvent,
  PlannedRemedy,
} from "./healer-service.js";
import type { Incident } from "./incident.js";
import type { KnowledgeStore } from "./knowledge.js";
import { BUDGET_COUNT, BUDGET_WINDOW_MS, CYCLE_MS } from "./limits.js";
import { MonitorSet } from "./monitor-set.js";
import type { Remedy } from "./remedy.js";

export interface HealerOptions {
  readonly self: { readonly nodeId: string; readonly name: string };
  /** What the configuration says; people may change it while it runs. */
  readonly mode: "acting" | "dry-run";
  readonly knowledge: KnowledgeStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export class Healer implements HealerService {
  readonly #options: HealerOptions;
  readonly #monitors: MonitorSet;
  readonly #remedies: Remedy[] = [];
  readonly #listeners = new Set<(event: HealingEvent) => void>();
  #timer: { cancel(): void } | undefined;
  #cycles = 0;

  constructor(options: HealerOptions) {
    this.#options = options;
    this.#monitors = new MonitorSet(options.clock);
  }

  add({ monitors, remedies }: { monitors: readonly Monitor[]; remedies: readonly Remedy[] }): void {
    for (const monitor of monitors) this.#monitors.add(monitor);
    this.#remedies.push(...remedies);
  }

  start(): void {
    this.#timer = this.#options.clock.setTimeout(() => void this.#cycle(), CYCLE_MS);
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#monitors.abort();
  }

  async #cycle(): Promise<void> {
    this.#cycles++;
    await this.#monitors.lookAll();
    if (this.#timer !== undefined) this.start();
  }

  status(): HealerStatus {
    const { self, mode } = this.#options;
    return {
      nodeId: self.nodeId,
      nodeName: self.name,
      mode,
      verdict: "unknown",
      monitors: this.#monitors.names().map((name) => ({
        name,
        verdict: "unknown",
        lookedAtMs: undefined,
        facts: 0,
      })),
      open: [],
      remedies: [],
      budget: { left: BUDGET_COUNT, of: BUDGET_COUNT, windowMs: BUDGET_WINDOW_MS },
    };
  }

  history(): readonly Incident[] {
    return [];
  }

  incident(id: string): Incident {
    throw new MeshError("MESH_NOT_FOUND", { message: `there is no incident ${id.slice(0, 64)}` });
  }

  async plan(): Promise<readonly PlannedRemedy[]> {
    return [];
  }

  pause(): void {}

  resume(): void {}

  setDryRun(): void {}

  onEvent(listener: (event: HealingEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  counters(): HealingCounters {
    return {
      cycles: this.#cycles,
      phaseMs: { monitor: 0, analyse: 0, plan: 0, execute: 0 },
      looksFailed: 0,
      symptoms: new Map(),
      applied: new Map(),
      recoveries: [],
    };
  }
}
