import { formatBytes } from "@hearthmesh/core";
import type { ModelImportView, ModelView } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughNodeDoor, withDoorOptions } from "../door.js";
import { formatTable } from "../table.js";
import { printable } from "../text.js";

type Options = DoorOptions & { json?: boolean };

export function modelListCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("ls")
    .alias("list")
    .description("the models of this member, and what of them lies on this machine")
    .option("--json", "as JSON")
    .withExamples("mesh model ls", "mesh model ls --json");
  return withDoorOptions(command).action(async (options: Options) => {
    await throughNodeDoor(cli, options, async ({ api }) => {
      const { listModels, modelImports } = await import("@hearthmesh/client");
      const answer = await listModels(api);
      if (options.json === true) return printJson(cli, answer);
      const columns = ["NAME", "KIND", "WEIGHTS", "SIZE", "HERE", "CONTEXT", "MACHINES"].map(
        (title, index) => (index < 3 ? { title } : { title, align: "right" as const }),
      );
      const rows = answer.models.map(rowOf);
      for (const line of formatTable(columns, rows, cli.colours.dim)) print(cli, line);
      const { imports } = await modelImports(api);
      for (const line of imports.flatMap(lineOf)) print(cli, line);
    });
  });
}

function rowOf(model: ModelView): string[] {
  const { name, architecture, quantisation, sizeBytes, localBytes } = model;
  return [
    printable(name),
    architecture,
    quantisation,
    formatBytes(sizeBytes),
    hereOf(localBytes, sizeBytes),
    `${model.contextTokensMax}`,
    `up to ${model.membersMax}`,
  ];
}

/** How much of it is on this machine. Blocks of the disk make it a little more than the file. */
export function hereOf(localBytes: number, sizeBytes: number): string {
  if (localBytes === 0) return "-";
  return localBytes >= sizeBytes ? "all" : formatBytes(localBytes);
}

function lineOf({ name, state, doneBytes, totalBytes, error }: ModelImportView): string[] {
  if (state === "done") return [];
  const of = totalBytes === undefined ? "" : ` of ${formatBytes(totalBytes)}`;
  const what = error === undefined ? `${formatBytes(doneBytes)}${of}` : printable(error.message);
  return [`${state} ${printable(name)}: ${what}`];
}
