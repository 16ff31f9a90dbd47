/**
 * The metrics of a node that has a gateway, in a registry of its own (several nodes may live in one
 * process). The doors' numbers are kept here; all else is asked for when somebody scrapes.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import {
  METRICS,
  type MetricDefinition,
  type MetricName,
  type MetricValue,
} from "../plain/metrics-table.js";
import { metricsText } from "../plain/metrics-text.js";

/** Seconds: from a status on loopback to a long upload. */
const DURATION_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60];

export interface AnsweredRequest {
  readonly door: string;
  readonly method: string;
  /** The pattern of the route, never the address itself: it could name a path or a secret. */
  readonly route: string;
  readonly status: number;
  readonly durationMs: number;
}

interface Series {
  readonly requests: Counter.Internal;
  readonly durations: Histogram.Internal<string>;
}

export class HttpMetrics {
  readonly #registry = new Registry();
  readonly #requests: Counter;
  readonly #durations: Histogram;
  readonly #inFlight: Gauge;
  /** One per combination of labels that has occurred: to find one anew costs more than to add. */
  readonly #series = new Map<string, Series>();
  readonly #gauges = new Map<string, Gauge.Internal<string>>();
  readonly #reported = new Map<MetricName, Gauge | Counter>();
  readonly #report: () => Promise<readonly MetricValue[]>;

  /** `report` gives the values of the other parts. */
  constructor(report: () => Promise<readonly MetricValue[]>) {
    this.#report = report;
    this.#requests = new Counter(this.#define("mesh_http_requests_total"));
    this.#durations = new Histogram({
      ...this.#define("mesh_http_request_duration_seconds"),
      buckets: DURATION_BUCKETS,
    });
    this.#inFlight = new Gauge(this.#define("mesh_http_requests_in_flight"));
  }

  requestAnswered({ door, method, route, status, durationMs }: AnsweredRequest): void {
    const key = `${door} ${method} ${status} ${route}`;
    let series = this.#series.get(key);
    if (series === undefined) {
      series = {
        requests: this.#requests.labels({ door, method, route, status: String(status) }),
        durations: this.#durations.labels({ door, method, route }),
      };
      this.#series.set(key, series);
    }
    series.requests.inc();
    series.durations.observe(durationMs / 1000);
  }

  requestsInFlight(door: string, count: number): void {
    let gauge = this.#gauges.get(door);
    if (gauge === undefined) {
      gauge = this.#inFlight.labels({ door });
      this.#gauges.set(door, gauge);
    }
    gauge.set(count);
  }

  /** The text for a scrape. */
  async render(): Promise<{ contentType: string; body: string }> {
    const values = await this.#report();
    for (const metric of this.#reported.values()) metric.reset();
    for (const { name, labels, value, histogram } of values) {
      if (histogram !== undefined) continue;
      const metric = this.#metric(name);
      if (metric instanceof Counter) metric.inc(labels, value);
      else metric.set(labels, value);
    }
    // A histogram that another part has counted cannot be set here: its text goes beside.
    const counted = metricsText(values.filter(({ histogram }) => histogram !== undefined));
    const body = `${await this.#registry.metrics()}${counted}`;
    return { contentType: this.#registry.contentType, body };
  }

  #metric(name: MetricName): Gauge | Counter {
    const existing = this.#reported.get(name);
    if (existing !== undefined) return existing;
    const definition: MetricDefinition = METRICS[name];
    const made =
      definition.kind === "counter"
        ? new Counter(this.#define(name))
        : new Gauge(this.#define(name));
    this.#reported.set(name, made);
    return made;
  }

  #define(name: MetricName) {
    const { help, labels }: MetricDefinition = METRICS[name];
    return { name, help, labelNames: [...labels], registers: [this.#registry] };
  }
}
