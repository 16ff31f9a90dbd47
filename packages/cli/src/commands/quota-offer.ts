import { formatBytes, parseSizeBytes } from "@hearthmesh/core";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { printable } from "../text.js";

export function quotaOfferCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("offer")
    .description("let a peer keep so much here: its sealed copies and its people's files together")
    .argument("<peer>", "alias or domain")
    .argument("<size>", "such as 100GB; a new offer replaces the one before")
    .option("--json", "as JSON")
    .withExamples("mesh quota offer bob 100GB");
  return withDoorOptions(command).action(
    async (peer: string, size: string, options: DoorOptions & { json?: boolean }) => {
      const bytes = parseSizeBytes(size);
      await throughDoor(cli, options, async ({ api }) => {
        const { offerQuota } = await import("@hearthmesh/client");
        const answer = await offerQuota(api, peer, bytes);
        if (options.json === true) return printJson(cli, answer);
        const { quota } = answer;
        const used = quota.usedBytes === null ? "" : `; ${formatBytes(quota.usedBytes)} are used`;
        print(
          cli,
          `${printable(quota.trustDomain)} may keep ${formatBytes(quota.bytes)} here${used}.`,
        );
        print(cli, "It learns of this within half a minute.");
      });
    },
  );
}
