/** The tables of a run, for a terminal or as Markdown. */

const number = (value) => value.toLocaleString("en", { maximumFractionDigits: 0 });

/** Three digits at least, and no more than a median of few rounds deserves. */
function figure(value) {
  if (value === undefined) return "-";
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M`;
  if (value >= 1e4) return `${number(value / 1e3)} k`;
  return number(value);
}

/** Columns of the cases that were measured; a round trip has two. */
export function rateTable(cases, medians) {
  const columns = cases.flatMap(({ id, title }) =>
    id === "round-trip"
      ? ["p50", "p99"].map((part) => ({ title: `${part} us`, value: (row) => row[id]?.[part] }))
      : [{ title, value: (row) => row[id] }],
  );
  const rows = Object.entries(medians).map(([name, row]) => [
    name,
    ...columns.map(({ value }) => figure(value(row))),
  ]);
  return [["", ...columns.map(({ title }) => title)], ...rows];
}

export function markTable(marks) {
  const rows = marks.map(({ what, mark, measured = "not measured", met }) => {
    const verdict = met === undefined ? "-" : met ? "yes" : "NO";
    return [what, mark, measured, verdict];
  });
  return [["mark", "", "measured", "met"], ...rows];
}

export function asText(table, { rightAligned }) {
  const widths = table[0].map((_, at) => Math.max(...table.map((row) => row[at].length)));
  const cell = (text, at) =>
    at > 0 && rightAligned ? text.padStart(widths[at]) : text.padEnd(widths[at]);
  return table.map((row) => row.map(cell).join("  ").trimEnd()).join("\n");
}

export function asMarkdown(table, { rightAligned }) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  const rule = table[0].map((_, at) => (at > 0 && rightAligned ? "---:" : "---"));
  return [line(table[0]), line(rule), ...table.slice(1).map(line)].join("\n");
}
