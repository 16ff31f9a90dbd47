/** The planner's table, for people. */

import { formatBytes } from "@hearthmesh/core";
import type { InferencePlanResponse } from "@hearthmesh/gateway/contracts";
import type { Cli } from "../cli.js";
import { formatTable } from "../table.js";
import { printable } from "../text.js";

const PLACEMENTS = { R: "one member", T: "split", P: "pipeline" } as const;

export function planLines(cli: Cli, plan: InferencePlanResponse): string[] {
  const { dim, green } = cli.colours;
  const rows = plan.rows.map((row) => [
    `${row.placement} ${PLACEMENTS[row.placement]}`,
    printable(row.names.join(", ")),
    row.tokensPerSecond === undefined ? "-" : row.tokensPerSecond.toFixed(1),
    row.memoryBytesPerMember.map((bytes) => formatBytes(bytes)).join(" + "),
    printable(row.reason),
  ]);
  const columns = [
    { title: "PLACEMENT" },
    { title: "MEMBERS" },
    { title: "TOKENS/S", align: "right" as const },
    { title: "MEMORY" },
    { title: "WHY" },
  ];
  const { chosen } = plan;
  const choice =
    chosen === undefined
      ? "none: see why"
      : `${PLACEMENTS[chosen.placement]}, ${printable(chosen.names.join(", "))}`;
  return [
    `Model ${printable(plan.model)}: ${chosen === undefined ? choice : green(choice)}`,
    ...formatTable(columns, rows, dim),
    ...plan.text.map((line) => printable(line)),
    ...plan.leftOut.map(({ name, reason }) => `Left out: ${printable(name)}: ${printable(reason)}`),
    ...plan.measured.map((one) => {
      const { name, bandwidthBytesPerSecond, memoryBytes, roundTripMs } = one;
      const way = roundTripMs === undefined ? "" : `, ${roundTripMs.toFixed(2)} ms away`;
      const speed = `${formatBytes(bandwidthBytesPerSecond)}/s`;
      return dim(`Measured: ${printable(name)}: ${speed}, ${formatBytes(memoryBytes)} free${way}`);
    }),
  ];
}
