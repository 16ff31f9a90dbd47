/** Whether the programs that this node runs and watches over run and answer. */
import type { Fact, Monitor, Subject } from "@hearthmesh/healing";
import type { SupervisedProcess, SupervisedProcesses } from "../../processes/supervised-process.js";
import { PROCESS_SILENT_HOLD_MS } from "./limits.js";

export class ProcessMonitor implements Monitor {
  readonly name = "processes";
  readonly #processes: SupervisedProcesses;
  /** Those that answered once: for them, to start is to be down. */
  readonly #ran = new Set<string>();
  /** Those that are down: that they are let go is told once, as the end of it. */
  readonly #down = new Map<string, SupervisedProcess>();

  constructor(processes: SupervisedProcesses) {
    this.#processes = processes;
  }

  watch(wake: () => void): () => void {
    return this.#processes.onChange(wake);
  }

  async look(): Promise<readonly Fact[]> {
    const all = new Map(this.#down);
    for (const one of this.#processes.list()) all.set(one.name, one);
    return [...all.values()].flatMap((one) => {
      const facts = this.#facts(one);
      if (facts[0]?.verdict === "ill") this.#down.set(one.name, one);
      else if (facts[0]?.verdict !== "unknown") this.#down.delete(one.name);
      return facts;
    });
  }

  #facts(one: SupervisedProcess): Fact[] {
    const symptom = "process-down";
    const subject: Subject = { type: "process", id: one.name, name: one.name };
    const state = one.state();
    const evidence = one.describe();
    const values = { state };
    switch (state) {
      case "stopped":
        this.#ran.delete(one.name);
        if (!this.#down.has(one.name)) return [];
        return [{ symptom, subject, verdict: "well", evidence, values }];
      case "running":
        this.#ran.add(one.name);
        return [{ symptom, subject, verdict: "well", evidence: `it runs; ${evidence}`, values }];
      case "starting":
        return [
          {
            symptom,
            subject,
            verdict: this.#ran.has(one.name) ? "ill" : "unknown",
            evidence,
            values,
          },
        ];
      case "silent": {
        // A busy machine lets it wait too: ending it then would do harm.
        const holdMs = PROCESS_SILENT_HOLD_MS;
        return [{ symptom, subject, verdict: "ill", evidence, values, holdMs }];
      }
      case "failing":
        return [{ symptom, subject, verdict: "ill", evidence, values }];
    }
  }
}
