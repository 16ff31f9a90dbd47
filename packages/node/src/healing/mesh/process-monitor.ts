/** Whether the programs that this node runs and watches over run and answer. */
import type { Fact, Monitor, Subject } from "@hearthmesh/healing";
import type { SupervisedProcess } from "../../processes/supervised-process.js";
import { PROCESS_SILENT_HOLD_MS } from "./limits.js";

export class ProcessMonitor implements Monitor {
  readonly name = "processes";
  readonly #processes: readonly SupervisedProcess[];
  /** Those that answered once: for them, to start is to be down. */
  readonly #ran = new Set<string>();

  constructor(processes: readonly SupervisedProcess[]) {
    this.#processes = processes;
  }

  watch(wake: () => void): () => void {
    const ends = this.#processes.map((one) => one.onChange?.(wake));
    return () => {
      for (const end of ends) end?.();
    };
  }

  async look(): Promise<readonly Fact[]> {
    return this.#processes.flatMap((one) => this.#facts(one));
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
        return [];
      case "running":
        this.#ran.add(one.name);
        return [{ symptom, subject, verdict: "well", evidence, values }];
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
