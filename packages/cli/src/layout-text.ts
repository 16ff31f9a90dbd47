/** The layout, and what a change of it moves, as people read it. */
import { formatBytes } from "@hearthmesh/core";
import type { LayoutChangesResponse, LayoutPreview } from "@hearthmesh/gateway/contracts";
import { type Cli, print } from "./cli.js";
import { formatTable } from "./table.js";
import { plural, printable } from "./text.js";

type Column = { title: string; align?: "right" };
const right = (title: string): Column => ({ title, align: "right" });

export function printLayout(cli: Cli, answer: LayoutChangesResponse): void {
  const { layout, acks, autoJoin, staged } = answer;
  const { bold, dim, yellow } = cli.colours;
  print(cli, bold(`Layout ${layout.version}`));
  print(cli, `${layout.replicas} copies of every chunk, ${acks} before a write is answered`);
  if (!autoJoin) print(cli, dim("New storage nodes wait until they are added."));
  const byName = [...layout.nodes].sort((a, b) => (a.name < b.name ? -1 : 1));
  const rows = byName.map((node) => [
    printable(node.name),
    printable(node.zone.site),
    formatBytes(node.easedFromBytes ?? node.drainingFromBytes ?? node.capacityBytes),
    heldBack(node) === "" ? "" : yellow(heldBack(node)),
    (node.chosen ?? []).map((one) => `${one} chosen`).join(", "),
  ]);
  const columns = [{ title: "NODE" }, { title: "SITE" }, right("CAPACITY"), { title: "" }];
  const lines = formatTable([...columns, { title: "" }], rows, dim);
  if (rows.length === 0) print(cli, "No storage node is in it.");
  else for (const line of lines) print(cli, line.trimEnd());
  print(cli, "");
  if (staged === null) {
    print(cli, "Nothing is staged. mesh layout stage --help shows what can be changed.");
    return;
  }
  print(cli, bold(`Staged as version ${staged.version}`));
  for (const line of stagedLines(staged)) print(cli, `  ${line}`);
  if (answer.preview !== null) {
    print(cli, "");
    printPreview(cli, answer.preview);
  }
  print(cli, "");
  print(cli, `Next: mesh layout apply --version ${staged.version}   (or mesh layout revert)`);
}

/** What healing or an operator holds back from the node. */
function heldBack(node: LayoutChangesResponse["layout"]["nodes"][number]): string {
  const { quarantinedAtMs, drainingFromBytes, easedFromBytes, capacityBytes } = node;
  if (quarantinedAtMs !== undefined) return "in quarantine";
  if (drainingFromBytes !== undefined) return "draining";
  return easedFromBytes === undefined ? "" : `eased to ${formatBytes(capacityBytes)}`;
}

function stagedLines(staged: NonNullable<LayoutChangesResponse["staged"]>): string[] {
  const { replicas, acks, nodes } = staged;
  return [
    ...(replicas === undefined ? [] : [`copies of every chunk: ${replicas}`]),
    ...(acks === undefined ? [] : [`copies before a write is answered: ${acks}`]),
    ...nodes.map((node) => {
      const facts = [
        ...(node.capacityBytes === undefined ? [] : [formatBytes(node.capacityBytes)]),
        ...(node.site === undefined ? [] : [`at ${printable(node.site)}`]),
      ];
      const text = `${node.action} ${printable(node.node)}`;
      return facts.length === 0 ? text : `${text}: ${facts.join(" ")}`;
    }),
  ];
}

export function printPreview(cli: Cli, preview: LayoutPreview): void {
  const { total, moves, nodes, isExact, chunksLookedAt, flows, warnings } = preview;
  const { dim, yellow, red } = cli.colours;
  const share = isExact ? "" : `, estimated from ${plural(chunksLookedAt, "chunk")}`;
  print(
    cli,
    `Moves ${plural(moves.chunks, "copy", "copies")}, ${formatBytes(moves.bytes)}, of ` +
      `${plural(total.chunks, "chunk")}, ${formatBytes(total.bytes)}${share}`,
  );
  const titles = ["KEEPS", "GAINS", "LOSES", "THEN", "FREE", "FREE THEN"];
  const rows = nodes.map((node) => [
    printable(node.name),
    formatBytes(node.before.bytes),
    sign("+", node.gains.bytes),
    sign("-", node.loses.bytes),
    formatBytes(node.after.bytes),
    node.freeBytes === null ? "unknown" : formatBytes(node.freeBytes),
    node.freeAfterBytes === null ? "unknown" : signed(node.freeAfterBytes),
  ]);
  const columns = [{ title: "NODE" }, ...titles.map(right)];
  if (rows.length > 0) for (const line of formatTable(columns, rows, dim)) print(cli, line);
  for (const { from, to, chunks, bytes } of flows) {
    const what = `${plural(chunks, "chunk")}, ${formatBytes(bytes)}`;
    print(cli, dim(`  ${printable(from)} -> ${printable(to)}: ${what}`));
  }
  for (const { message, grave } of warnings) {
    print(cli, `${(grave ? red : yellow)(grave ? "danger:" : "warning:")} ${printable(message)}`);
  }
}

function sign(prefix: string, bytes: number): string {
  return bytes === 0 ? "" : `${prefix}${formatBytes(bytes)}`;
}

function signed(bytes: number): string {
  return bytes < 0 ? `-${formatBytes(-bytes)}` : formatBytes(bytes);
}
