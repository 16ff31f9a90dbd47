import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { throughNodeDoor } from "../door.js";
import { printable } from "../text.js";
import { findPool, type PoolOptions, withPoolOptions } from "./pool-options.js";

export function poolApproveCommand(cli: Cli): MeshCommand {
  return decideCommand(cli, "approve", "let a machine in that asks to join a pool");
}

export function poolRefuseCommand(cli: Cli): MeshCommand {
  return decideCommand(cli, "refuse", "turn a machine away that asks to join a pool");
}

function decideCommand(cli: Cli, decision: "approve" | "refuse", about: string): MeshCommand {
  const command = new MeshCommand(decision)
    .description(about)
    .argument("<request>", "its four words, its name, or the beginning of its node id")
    .withExamples(
      `mesh pool ${decision} device2`,
      `mesh pool ${decision} badoki-luzami-gofuta-pira`,
    );
  return withPoolOptions(command).action(async (request: string, options: PoolOptions) => {
    await throughNodeDoor(cli, options, async ({ api }) => {
      const { decidePoolRequest } = await import("@hearthmesh/client");
      const pool = await findPool(api, options);
      const answer = await decidePoolRequest(api, pool.poolId, request, decision);
      if (options.json === true) return printJson(cli, answer);
      const name = printable(answer.name);
      const done =
        decision === "approve" ? `belongs to ${printable(pool.name)} now` : "was refused";
      print(cli, `${name} (${answer.words}) ${done}.`);
    });
  });
}
