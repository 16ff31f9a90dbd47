/** The table of the federation's figures: medians, beside the peers of the same run. */

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const rate = (bytes) => `${(bytes / 1e6).toFixed(0)} MB/s`;
const row = (...cells) => `| ${cells.join(" | ")} |`;
const met = (yes) => (yes ? "met" : "**short**");

/** A crossing between two members may cost this much of the same way at home. */
const ACROSS = 0.9;

export function rows(figures, { rounds, sizeBytes, cores, webdav }) {
  const of = (list, what) => median(list.map((one) => one[what]));
  const size = `${sizeBytes / 1e6} MB`;
  const beside = (what) =>
    [
      ...webdav.peers.map(({ name }) => `${name}: ${rate(of(figures.dav[name], what))}`),
      ...webdav.missing.map((name) => `${name} is not installed`),
    ].join("; ");
  const line = (words, list, what, mark) => {
    const ours = of(list, what);
    const home = of(figures.within, what);
    const share = `at home: ${rate(home)} (${(ours / home).toFixed(2)}); ${beside(what)}`;
    const verdict = mark === undefined ? "" : met(ours >= mark * home);
    return row(words, rate(ours), share, mark === undefined ? "" : `>= ${mark} of home`, verdict);
  };
  const small = median(figures.small);
  const smallHome = median(figures.smallWithin);
  return [
    row(`what (median of ${rounds} rounds, ${cores} cores)`, "ours", "beside", "mark", ""),
    "|---|---|---|---|---|",
    line(`write ${size} at a friend's, 3 copies there`, figures.across, "write", ACROSS),
    line(`read ${size} at a friend's`, figures.across, "read", ACROSS),
    line(`write ${size} through the own coordinator`, figures.through, "write"),
    line(`read ${size} through the own coordinator`, figures.through, "read"),
    row(
      "create 4 KiB files at a friend's, 32 writers",
      `${small.toFixed(0)}/s`,
      `at home: ${smallHome.toFixed(0)}/s (${(small / smallHome).toFixed(2)})`,
      `>= ${ACROSS} of home`,
      met(small >= ACROSS * smallHome),
    ),
  ].join("\n");
}
