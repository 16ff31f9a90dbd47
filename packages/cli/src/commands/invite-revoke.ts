import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { readCode } from "../input.js";

export function inviteRevokeCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("revoke")
    .description("make an invite useless; who has used it stays enrolled")
    .argument("<invite>", "its id or its whole code; - reads it from standard input")
    .option("--json", "as JSON")
    .withExamples("mesh invite revoke abcdefghij");
  return withDoorOptions(command).action(
    async (argument: string, options: DoorOptions & { json?: boolean }) => {
      const { inviteIdOf } = await import("@hearthmesh/client");
      // Only the public id is sent: the secret in the code has no business in a URL.
      const id = inviteIdOf(await readCode(cli, argument));
      await throughDoor(cli, options, async ({ api }) => {
        const { invite } = await api.revokeInvite(id);
        if (options.json === true) return printJson(cli, invite);
        print(cli, `Revoked the invite ${invite.id}.`);
        const names = invite.uses.map((use) => use.name).join(", ");
        if (names !== "")
          print(cli, `It was used by ${names}: mesh revoke NAME ends their access.`);
      });
    },
  );
}
