/** What a metric is. */
export interface MetricDefinition {
  readonly kind: "gauge" | "counter" | "histogram";
  readonly help: string;
  readonly labels: readonly string[];
  /** A line as Prometheus reads it. */
  readonly sample: string;
}

export const metric = (
  kind: MetricDefinition["kind"],
  help: string,
  labels: readonly string[],
  sample: string,
): MetricDefinition => ({ kind, help, labels, sample });
