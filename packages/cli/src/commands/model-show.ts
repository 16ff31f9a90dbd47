import { formatBytes } from "@hearthmesh/core";
import type { ModelResponse } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughNodeDoor, withDoorOptions } from "../door.js";
import { printable } from "../text.js";
import { hereOf } from "./model-list.js";

type Options = DoorOptions & { json?: boolean };

export function modelShowCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("show")
    .description("one model: its shape, and how much memory each machine needs for it")
    .argument("<model>", "name, or the first eight digits of its id")
    .option("--json", "as JSON")
    .withExamples("mesh model show demo");
  return withDoorOptions(command).action(async (name: string, options: Options) => {
    await throughNodeDoor(cli, options, async ({ api }) => {
      const { showModel } = await import("@hearthmesh/client");
      const answer = await showModel(api, name);
      if (options.json === true) return printJson(cli, answer);
      for (const line of linesOf(answer)) print(cli, line);
    });
  });
}

function linesOf({ model, shares }: ModelResponse): string[] {
  const { name, title, architecture, quantisation, sizeBytes, localBytes } = model;
  const heads = `${model.heads} heads, ${model.kvHeads} for keys and values`;
  const width = `width ${model.embeddingWidth}, feed-forward ${model.feedForwardWidth}`;
  return [
    title === "" ? printable(name) : `${printable(name)}: ${printable(title)}`,
    `  id          ${model.id}`,
    `  size        ${formatBytes(sizeBytes)}; on this machine: ${hereOf(localBytes, sizeBytes)}`,
    `  kind        ${architecture}, most weights as ${quantisation}`,
    `  layers      ${model.layers}: ${heads}; ${width}`,
    `  vocabulary  ${model.vocabularySize} tokens, context ${model.contextTokensMax}`,
    `  from        ${printable(model.source)}`,
    ...(model.addedAt === undefined ? [] : [`  added       ${model.addedAt}`]),
    "  memory      on each machine, in equal shares:",
    ...shares.map(({ members, memoryBytesPerMember }) => {
      const machines = members === 1 ? "1 machine " : `${members} machines`;
      return `              ${machines}  ${formatBytes(memoryBytesPerMember)}`;
    }),
  ];
}
