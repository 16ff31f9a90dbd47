/** What a metric is. */
export interface MetricDefinition {
  readonly kind: "gauge" | "counter" | "histogram";
  readonly help: string;
  readonly labels: readonly string[];
  /** A line as Prometheus reads it. */
  readonly sample: string;
}

/** What a histogram has counted so far. */
export interface HistogramReading {
  /** Upper bounds, rising; what is above the last one is counted at the end of `counts`. */
  readonly bounds: readonly number[];
  /** Of each bucket alone; one more than there are bounds. */
  readonly counts: readonly number[];
  readonly sum: number;
}

export const metric = (
  kind: MetricDefinition["kind"],
  help: string,
  labels: readonly string[],
  sample: string,
): MetricDefinition => ({ kind, help, labels, sample });
