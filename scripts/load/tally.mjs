/** What users met: counts and latencies of each request, and how they are shown. */

export class Tally {
  /** @type {Map<string, { latenciesMs: number[], failures: number }>} */
  #byName = new Map();

  add(name, latencyMs, isFailure) {
    const one = this.#byName.get(name) ?? { latenciesMs: [], failures: 0 };
    this.#byName.set(name, one);
    one.latenciesMs.push(latencyMs);
    if (isFailure) one.failures++;
  }

  /** One row for each request, and the last one for all together. */
  rows(seconds) {
    const all = { latenciesMs: [], failures: 0 };
    const rows = [];
    for (const [name, { latenciesMs, failures }] of [...this.#byName].sort()) {
      rows.push(rowOf(name, latenciesMs, failures, seconds));
      all.latenciesMs = all.latenciesMs.concat(latenciesMs);
      all.failures += failures;
    }
    return [...rows, rowOf("all", all.latenciesMs, all.failures, seconds)];
  }
}

function rowOf(name, latenciesMs, failures, seconds) {
  const sorted = Float64Array.from(latenciesMs).sort();
  const at = (share) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  return {
    name,
    requests: sorted.length,
    failures,
    p50Ms: at(0.5),
    p95Ms: at(0.95),
    p99Ms: at(0.99),
    maxMs: at(1),
    requestsPerSecond: sorted.length / seconds,
  };
}
