/** The Prometheus text exposition format (version 0.0.4) of values that parts of a node report. */
import { METRICS, type MetricDefinition, type MetricValue } from "./metrics-table.js";

export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** One HELP and TYPE line for each name, then its values. */
export function metricsText(values: readonly MetricValue[]): string {
  const byName = new Map<string, MetricValue[]>();
  for (const value of values) {
    const list = byName.get(value.name) ?? [];
    list.push(value);
    byName.set(value.name, list);
  }
  const lines: string[] = [];
  for (const [name, list] of byName) {
    const { help, kind }: MetricDefinition = METRICS[list[0]?.name ?? "mesh_chunks"];
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`);
    lines.push(...list.flatMap(sampleLines));
  }
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

function sampleLines({ name, labels, value, histogram }: MetricValue): string[] {
  if (histogram === undefined) return [`${name}${labelText(labels)} ${numberText(value)}`];
  const { bounds, counts, sum } = histogram;
  let below = 0;
  const buckets = counts.map((count, at) => {
    below += count;
    const le = numberText(bounds[at] ?? Number.POSITIVE_INFINITY);
    return `${name}_bucket${labelText({ ...labels, le })} ${below}`;
  });
  const own = labelText(labels);
  return [...buckets, `${name}_sum${own} ${numberText(sum)}`, `${name}_count${own} ${below}`];
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  if (value === Number.NEGATIVE_INFINITY) return "-Inf";
  return Number.isNaN(value) ? "NaN" : String(value);
}
