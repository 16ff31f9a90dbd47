/** Whether the services that an operator put on this node do their work. */
import type { Fact, Monitor, Subject } from "@hearthmesh/healing";
import type { MeshPart } from "../../mesh/mesh-part.js";

type Parts = Pick<MeshPart["parts"], "registry" | "health">;

const VERDICTS = { ok: "well", failing: "ill", unknown: "unknown" } as const;

export class ServiceMonitor implements Monitor {
  readonly name = "services";
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  watch(wake: () => void): () => void {
    const { registry, health } = this.#parts;
    const ends = [registry.onChange(wake), health.onChange(wake)];
    return () => {
      for (const end of ends) end();
    };
  }

  async look(): Promise<readonly Fact[]> {
    const { registry, health } = this.#parts;
    return registry.list().map(({ name, host, port }): Fact => {
      const { health: state, failures, reason } = health.healthOf(name);
      const subject: Subject = { type: "service", id: name, name };
      const at = `${host}:${port}`;
      const why = reason === undefined ? "" : `: ${reason}`;
      const evidence = {
        ok: `it passed its last check at ${at}`,
        failing: `it failed ${failures} checks at ${at}${why}`,
        unknown: `it was not checked yet at ${at}`,
      }[state];
      const symptom = "service-failing";
      return { symptom, subject, verdict: VERDICTS[state], evidence, values: { failures } };
    });
  }
}
