/** Owns the healer of a node: started last and stopped first, so all that it touches is there. */
import type { Startable } from "@hearthmesh/core";
import { Healer, type HealerOptions, type HealerService } from "@hearthmesh/healing";
import type { HealingList } from "./healing-list.js";
import { HealingMetrics } from "./healing-metrics.js";

export class HealingPart implements Startable {
  readonly name = "healing";
  readonly metrics: HealingMetrics;
  readonly #healer: Healer;

  constructor(options: HealerOptions) {
    this.#healer = new Healer(options);
    this.metrics = new HealingMetrics(this.#healer);
  }

  /** For the doors. */
  get service(): HealerService {
    return this.#healer;
  }

  /** Before the start: what can be seen and done here. */
  add(list: HealingList): void {
    this.#healer.add(list);
  }

  async start(): Promise<void> {
    await this.#healer.start();
  }

  async stop(): Promise<void> {
    await this.#healer.stop();
  }
}
