/** The table of the store bench, and whether its marks are met. */
import { cpus, loadavg } from "node:os";

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

const rate = (value) => `${Math.round(value).toLocaleString("en")}/s`;
const time = (value) => `${value < 100 ? value.toFixed(2) : Math.round(value)} ms`;

function row(what, ours, peer, mark, met) {
  const verdict = met === undefined ? "" : met ? "met" : "not met";
  return { what, ours, peer: peer ?? "", mark: mark ?? "", verdict };
}

export function embeddedRows(figures, bareName) {
  const of = (name) => median(figures[name]);
  const bareWrites = `${bareName}: ${rate(of("bareWrites"))}`;
  const bareReads = `${bareName}: ${rate(of("bareReads"))}`;
  return [
    row(
      "durable compare-and-set writes, 32 writers",
      rate(of("casWrites32")),
      `${bareWrites}, 1 writer`,
      ">= 20,000/s",
      of("casWrites32") >= 20_000,
    ),
    row("durable compare-and-set writes, 1 writer", rate(of("casWrites1")), bareWrites),
    row("point reads", rate(of("pointReads")), bareReads, ">= 200,000/s", of("pointReads") >= 2e5),
    row("put to watch, p99, 1 writer", time(of("watch1P99")), "", "<= 5 ms", of("watch1P99") <= 5),
    row("put to watch, p99, 32 writers that never pause", time(of("watch32P99"))),
  ];
}

/** The ratio of each round, so that a busy moment, which both met, counts for neither. */
export function ratioOf({ ours, peer }, name, lowerIsBetter = false) {
  const each = ours[name].map((value, index) => value / peer[name][index]);
  return median(lowerIsBetter ? each.map((value) => 1 / value) : each);
}

export function etcdRows(figures, version) {
  const kinds = [
    ["puts32", "over etcd: puts, 32 writers", rate],
    ["cas32", "over etcd: compare-and-set, 32 writers", rate],
    ["reads32", "over etcd: reads, 32 readers", rate],
    ["reads1", "over etcd: reads, 1 reader", rate],
    ["watchP50", "over etcd: put to watch, p50", time],
    ["watchP99", "over etcd: put to watch, p99", time],
  ];
  return kinds.map(([name, what, show]) => {
    const ratio = ratioOf(figures, name, show === time);
    const peer = `etcd3 ${version}: ${show(median(figures.peer[name]))}; ${ratio.toFixed(2)} of it`;
    const isMark = name !== "watchP99";
    const mark = isMark ? ">= 0.85" : undefined;
    return row(
      what,
      show(median(figures.ours[name])),
      peer,
      mark,
      isMark ? ratio >= 0.85 : undefined,
    );
  });
}

export function failoverRows({ p50, p99, results, acked, lost, reads, stale, ...rest }) {
  const wrong = rest.backwards + rest.epochsOfTwo;
  return [
    row(
      `three nodes, leader and its etcd killed ${results.length} times: new leader's write`,
      `p50 ${time(p50)}, p99 ${time(p99)}`,
      "",
      "p99 <= 3 s",
      p99 <= 3000,
    ),
    row(
      "acknowledged writes lost",
      `${lost} of ${acked.toLocaleString("en")}`,
      "",
      "0",
      lost === 0,
    ),
    row("stale reads", `${stale} of ${reads.toLocaleString("en")}`, "", "0", stale === 0),
    row("epochs of two leaders, writes out of order", `${wrong}`, "", "0", wrong === 0),
  ];
}

export function table(rows) {
  const heads = {
    what: "what",
    ours: "ours",
    peer: "peer in the same run",
    mark: "mark",
    verdict: "",
  };
  const lines = [heads, ...rows];
  const names = Object.keys(heads);
  const widths = names.map((name) => Math.max(...lines.map((line) => line[name].length)));
  return lines
    .map((line) =>
      names
        .map((name, at) => line[name].padEnd(widths[at]))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

export function machine() {
  return { node: process.version, cores: cpus().length, load: loadavg() };
}
