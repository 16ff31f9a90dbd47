export const ticks = () => process.hrtime.bigint();
export const secondsSince = (start) => Number(process.hrtime.bigint() - start) / 1e9;

/** Median and 99th percentile. */
export function percentiles(samples) {
  const sorted = Float64Array.from(samples).sort();
  const at = (share) => sorted[Math.floor((sorted.length - 1) * share)];
  return [at(0.5), at(0.99)];
}
