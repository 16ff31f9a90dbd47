import { formatBytes } from "@hearthmesh/core";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { printable } from "../text.js";

export function quotaWithdrawCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("withdraw")
    .description("take no new bytes of a peer; what it has here stays until it removes it")
    .argument("<peer>", "alias or domain")
    .option("--json", "as JSON")
    .withExamples("mesh quota withdraw bob");
  return withDoorOptions(command).action(
    async (peer: string, options: DoorOptions & { json?: boolean }) => {
      await throughDoor(cli, options, async ({ api }) => {
        const { withdrawQuota } = await import("@hearthmesh/client");
        const answer = await withdrawQuota(api, peer);
        if (options.json === true) return printJson(cli, answer);
        const { trustDomain, usedBytes } = answer.quota;
        const used = usedBytes === null ? "" : ` ${formatBytes(usedBytes)} of it are here.`;
        print(cli, `${printable(trustDomain)} may bring nothing more.${used}`);
        print(cli, `Its copies lie in /.copies/${printable(trustDomain)}.`);
      });
    },
  );
}
