/** A healer that says what a test tells it to, for the doors in front of it. */
import { MeshError } from "@hearthmesh/core";
import type {
  HealerMode,
  HealerService,
  HealerStatus,
  HealingCounters,
  HealingEvent,
  Incident,
  PlannedRemedy,
  SymptomKind,
} from "@hearthmesh/healing";

export class ScriptedHealer implements HealerService {
  /** What it was told to do, and by whom. */
  readonly told: string[] = [];
  /** The newest first. */
  incidents: readonly Incident[] = [];
  planned: readonly PlannedRemedy[] = [];
  mode: HealerMode = "acting";
  applied: HealingCounters["applied"] = new Map();
  readonly #listeners = new Set<(event: HealingEvent) => void>();
  #pausedUntilMs: number | undefined;

  constructor(readonly nodeId = "a1f0".repeat(16)) {}

  status(): HealerStatus {
    const open = this.incidents.filter(({ closedAtMs }) => closedAtMs === undefined);
    return {
      ...{ nodeId: this.nodeId, nodeName: "home", mode: this.mode, open },
      ...(this.#pausedUntilMs === undefined ? {} : { pausedUntilMs: this.#pausedUntilMs }),
      verdict: open.length > 0 ? "ill" : "well",
      monitors: [
        { name: "peers", verdict: "well", lookedAtMs: 1_000, facts: 3 },
        {
          ...{ name: "clock", verdict: "unknown", lookedAtMs: undefined, facts: 0 },
          reason: "nobody was asked for the time yet",
        },
      ],
      remedies: [
        {
          ...{ name: "redial", handles: ["peer-unreachable"], breaker: "open" },
          ...{ applied: 7, helped: 6, failed: 1 },
        },
      ],
      suspended: [
        {
          ...{ remedy: "redial", failures: 3, forMs: 240_000 },
          subject: { type: "node", id: "b2c1".repeat(16), name: "attic" },
        },
      ],
      budget: { left: 28, of: 30, windowMs: 600_000 },
    };
  }

  history({
    limit,
    kind,
    before,
  }: {
    limit: number;
    kind?: SymptomKind;
    before?: string;
  }): readonly Incident[] {
    return this.incidents
      .filter((one) => kind === undefined || one.kind === kind)
      .filter((one) => before === undefined || one.id < before)
      .slice(0, limit);
  }

  incident(id: string): Incident {
    const found = this.incidents.find((one) => one.id === id);
    if (found === undefined) throw new MeshError("MESH_NOT_FOUND");
    return found;
  }

  async plan(): Promise<readonly PlannedRemedy[]> {
    return this.planned;
  }

  pause(forMs: number | undefined, by: string): void {
    this.told.push(`pause ${forMs ?? "for ever"} by ${by}`);
    this.mode = "paused";
    this.#pausedUntilMs = forMs;
    this.emit({ kind: "mode", mode: "paused" });
  }

  resume(by: string): void {
    this.told.push(`resume by ${by}`);
    this.mode = "acting";
    this.#pausedUntilMs = undefined;
    this.emit({ kind: "mode", mode: "acting" });
  }

  setDryRun(on: boolean, by: string): void {
    this.told.push(`dry run ${on ? "on" : "off"} by ${by}`);
    this.mode = on ? "dry-run" : "acting";
    this.emit({ kind: "mode", mode: this.mode });
  }

  onEvent(listener: (event: HealingEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  emit(event: HealingEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  counters(): HealingCounters {
    return {
      cycles: 120,
      phaseMs: { monitor: 1_500, analyse: 10, plan: 4, execute: 2_000 },
      looksFailed: 2,
      symptoms: new Map([["peer-unreachable", 3]]),
      applied: this.applied,
      recoveries: [],
    };
  }
}
