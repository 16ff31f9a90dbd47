/** Percentiles, marks and rows of the healing bench. */
import { percentile } from "../membership/figures.mjs";

const STAGES = ["detected", "decided", "mended", "verified", "outside"];

const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;
const both = (values) => [0.5, 0.99].map((share) => seconds(percentile(values, share))).join(" / ");

function valuesOf(samples = [], name) {
  return samples.map((sample) => sample[name]).filter((value) => value !== undefined);
}

/** p50 and p99 from the fault; `outside` as a client saw it. */
export function faultTable(figures) {
  const rows = Object.entries(figures)
    .filter(([, { samples }]) => samples !== undefined)
    .map(([name, { samples }]) => [
      name,
      String(samples.length),
      ...STAGES.map((stage) => {
        const values = valuesOf(samples, stage);
        return values.length === 0 ? "-" : both(values);
      }),
    ]);
  return [["p50 / p99", "runs", ...STAGES], ...rows];
}

export function judge({ crash, process, partition, replicas, quiet }) {
  return [
    atMost("crash of a node: traffic re-routed", crash, "outside", 3_000),
    atMost("killed supervised process: serving again", process, "outside", 5_000),
    atMost("node back and converged", crash, "backMs", 10_000),
    atMost("node back and converged, typically", crash, "backMs", 3_000, 0.5),
    atMost("partition healed after the link is back", partition, "outside", 5_000),
    atMost("lost replicas: restoring begins", replicas, "outside", 10_000),
    quietMark(quiet),
  ];
}

function atMost(what, figures, name, markMs, share = 0.99) {
  const limit = { what: `${what}, p${share * 100}`, mark: `<= ${markMs / 1000} s` };
  const values = valuesOf(figures?.samples, name);
  if (values.length === 0) return limit;
  const value = percentile(values, share);
  return { ...limit, measured: `${seconds(value)} (${values.length} runs)`, met: value <= markMs };
}

function quietMark(quiet) {
  const [what, mark] = ["remedies while nothing is wrong", "0"];
  if (quiet === undefined) return { what, mark };
  const { minutes, files, requests, remedies } = quiet;
  const measured = `${remedies.length} in ${minutes} min, ${files} files, ${requests} requests`;
  return { what, mark, measured, met: remedies.length === 0 };
}
