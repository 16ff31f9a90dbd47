/**
 * What Prometheus sees of the healer. Most is what it counts itself; how long recoveries took is
 * counted here, since the healer keeps only the newest ones.
 */
import type { HistogramReading, MetricValue } from "@hearthmesh/gateway/plain";
import { type HealerService, type Incident, SYMPTOMS, type SymptomKind } from "@hearthmesh/healing";

/** Seconds: from a process that is started again to a node that has to be evacuated. */
const BOUNDS_SECONDS = [0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300, 1_800] as const;
const KINDS = Object.keys(SYMPTOMS) as SymptomKind[];
const MODES = ["acting", "dry-run", "paused"] as const;
const VERDICTS = ["well", "ill", "unknown"] as const;
/** Ids of incidents that were counted; more than are open at a time, so none is counted twice. */
const COUNTED_MAX = 1_024;

interface Histogram {
  readonly counts: number[];
  sum: number;
}

export class HealingMetrics {
  readonly #healer: HealerService;
  readonly #recoveries = new Map<SymptomKind, Histogram>();
  readonly #counted = new Set<string>();
  readonly #unsubscribe: () => void;

  constructor(healer: HealerService) {
    this.#healer = healer;
    this.#unsubscribe = healer.onEvent((event) => {
      if (event.kind === "incident") this.#note(event.incident);
    });
  }

  close(): void {
    this.#unsubscribe();
  }

  values(): MetricValue[] {
    const {
      nodeId,
      nodeName: node,
      mode,
      monitors,
      open,
      remedies,
      suspended,
      budget,
    } = this.#healer.status();
    const counters = this.#healer.counters();
    const own = open.filter((incident) => incident.nodeId === nodeId);
    const one = (name: MetricValue["name"], value: number, labels = {}): MetricValue => ({
      ...{ name, value },
      labels: { node, ...labels },
    });
    return [
      one("mapek_cycles_total", counters.cycles),
      ...Object.entries(counters.phaseMs).map(([phase, ms]) =>
        one("mapek_cycle_duration_seconds_total", ms / 1_000, { phase }),
      ),
      ...VERDICTS.map((verdict) => {
        const count = monitors.filter((monitor) => monitor.verdict === verdict).length;
        return one("mapek_monitors", count, { verdict });
      }),
      one("mapek_monitor_failures_total", counters.looksFailed),
      ...KINDS.map((symptom) =>
        one("mapek_symptoms_total", counters.symptoms.get(symptom) ?? 0, { symptom }),
      ),
      ...openCounts(own).map(({ count, ...labels }) => one("mapek_incidents_open", count, labels)),
      one("mapek_incidents_given_up", own.filter(({ state }) => state === "given-up").length),
      ...remedies.flatMap(({ name: action }) => {
        const { helped, failed } = counters.applied.get(action) ?? { helped: 0, failed: 0 };
        return [
          one("mapek_recovery_actions_total", helped, { action, status: "helped" }),
          one("mapek_recovery_actions_total", failed, { action, status: "failed" }),
        ];
      }),
      ...[...this.#recoveries].map(([symptom, histogram]) => ({
        name: "mapek_recovery_seconds" as const,
        labels: { node, symptom },
        value: histogram.counts.reduce((sum, count) => sum + count, 0),
        histogram: reading(histogram),
      })),
      ...remedies.map(({ name: action, breaker }) =>
        one("mapek_remedy_suspended", breaker === "open" ? 1 : 0, { action }),
      ),
      ...remedies.map(({ name: action }) => {
        const count = suspended.filter(({ remedy }) => remedy === action).length;
        return one("mapek_remedy_suspended_subjects", count, { action });
      }),
      ...MODES.map((name) => one("mapek_mode", name === mode ? 1 : 0, { mode: name })),
      one("mapek_budget_left", budget.left),
    ];
  }

  /** Incidents of other nodes are counted there. An incident may be told of again after its end. */
  #note({ id, nodeId, kind, state, timings }: Incident): void {
    const { verifiedMs } = timings;
    if (state !== "mended" || verifiedMs === undefined || this.#counted.has(id)) return;
    if (nodeId !== this.#healer.status().nodeId) return;
    this.#counted.add(id);
    const [oldest] = this.#counted;
    if (this.#counted.size > COUNTED_MAX && oldest !== undefined) this.#counted.delete(oldest);
    const seconds = verifiedMs / 1_000;
    const histogram = this.#recoveries.get(kind) ?? empty();
    const at = BOUNDS_SECONDS.findIndex((bound) => seconds <= bound);
    const bucket = at < 0 ? BOUNDS_SECONDS.length : at;
    histogram.counts[bucket] = (histogram.counts[bucket] ?? 0) + 1;
    histogram.sum += seconds;
    this.#recoveries.set(kind, histogram);
  }
}

function empty(): Histogram {
  return { counts: new Array<number>(BOUNDS_SECONDS.length + 1).fill(0), sum: 0 };
}

function reading({ counts, sum }: Histogram): HistogramReading {
  return { bounds: BOUNDS_SECONDS, counts, sum };
}

/** Every symptom at its usual severity, so that a series is there before something happens. */
function openCounts(open: readonly Incident[]) {
  const groups = new Map<string, { symptom: string; severity: string; count: number }>();
  for (const symptom of KINDS) {
    const { severity } = SYMPTOMS[symptom];
    groups.set(`${symptom} ${severity}`, { symptom, severity, count: 0 });
  }
  for (const { kind: symptom, severity } of open) {
    const key = `${symptom} ${severity}`;
    const group = groups.get(key) ?? { symptom, severity, count: 0 };
    group.count++;
    groups.set(key, group);
  }
  return [...groups.values()];
}
