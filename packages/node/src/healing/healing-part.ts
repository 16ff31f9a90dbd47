/** Owns the healer of a node: started last and stopped first, so all that it touches is there. */
import { errorFields, type Startable } from "@hearthmesh/core";
import { Healer, type HealerOptions, type HealerService, type Incident } from "@hearthmesh/healing";
import { GatesKeeper } from "./gates-keeper.js";
import type { HealingList } from "./healing-list.js";
import { HealingMetrics } from "./healing-metrics.js";
import { IncidentReporter, type IncidentReporterOptions } from "./incident-report.js";
import type { NodeKnowledge } from "./knowledge-records.js";

export interface HealingPartOptions extends Omit<HealerOptions, "beforeApply"> {
  readonly knowledge: NodeKnowledge;
  /** How the coordinator that leads is told. */
  readonly report: Pick<IncidentReporterOptions, "leader" | "onOtherLeader">;
  /** On a coordinator: calls when this one begins to lead; returns how to end that. */
  onLeading?(lead: () => void): () => void;
}

export class HealingPart implements Startable {
  readonly name = "healing";
  readonly metrics: HealingMetrics;
  readonly #options: HealingPartOptions;
  readonly #healer: Healer;
  readonly #reporter: IncidentReporter;
  readonly #keeper: GatesKeeper;
  readonly #unsubscribe: (() => void)[] = [];

  constructor(options: HealingPartOptions) {
    this.#options = options;
    this.#keeper = new GatesKeeper({ ...options, gates: () => this.#healer.gates() });
    this.#healer = new Healer({
      ...options,
      knowledge: this.#keeper.knowledge(),
      beforeApply: (signal) => this.#keeper.written(signal),
    });
    this.metrics = new HealingMetrics(this.#healer);
    this.#reporter = new IncidentReporter({ ...options, ...options.report });
  }

  /** For the doors. */
  get service(): HealerService {
    return this.#healer;
  }

  /** Before the start: what can be seen and done here. */
  add(list: HealingList): void {
    this.#healer.add(list);
  }

  /** What is known of an incident, also of another node. */
  known(id: string): Incident | undefined {
    return this.#healer.known(id);
  }

  /** An incident of another node, which is known to be that node. */
  told(incident: Incident): void {
    this.#healer.told(incident);
  }

  async start(): Promise<void> {
    const { self, onLeading } = this.#options;
    const unsubscribe = this.#healer.onEvent((event) => {
      if (event.kind !== "incident" || event.incident.nodeId !== self.nodeId) return;
      this.#reporter.tell(event.incident);
      void this.#keeper.changed();
    });
    this.#unsubscribe.push(unsubscribe);
    // The one that led before was told of incidents that this one knows from the store alone.
    const unfollow = onLeading?.(() => void this.#recall());
    if (unfollow !== undefined) this.#unsubscribe.push(unfollow);
    this.#healer.start();
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    await this.#healer.stop();
    await this.#keeper.changed();
    await this.#reporter.stop();
  }

  async #recall(): Promise<void> {
    try {
      await this.#healer.recall();
    } catch (error) {
      this.#options.log.warn("incidents of the member could not be read", errorFields(error));
    }
  }
}
