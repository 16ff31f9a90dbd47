import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { printable } from "../text.js";

export function keyRevokeCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("revoke")
    .description("end an API key at once")
    .argument("<key>", "its id or name")
    .option("--json", "as JSON")
    .withExamples("mesh key revoke homelab");
  return withDoorOptions(command).action(
    async (key: string, options: DoorOptions & { json?: boolean }) => {
      await throughDoor(cli, options, async ({ api }) => {
        const { revokeKey } = await import("@hearthmesh/client");
        // Of a whole key only the id is sent.
        const wanted = key.startsWith("hmk1-") ? (key.split("-")[1] ?? key) : key;
        const answer = await revokeKey(api, wanted);
        if (options.json === true) return printJson(cli, answer);
        const { id, name } = answer.revoked;
        print(cli, `Revoked the key ${id}${name === "" ? "" : ` (${printable(name)})`}.`);
      });
    },
  );
}
