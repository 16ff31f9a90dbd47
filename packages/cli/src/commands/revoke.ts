import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";

interface Options extends DoorOptions {
  reason: string;
  json?: boolean;
}

export function revokeCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("revoke")
    .description("end the access of a person or node at once")
    .argument("<identity>", "name@domain, a node's name, or a key id")
    .option("--reason <text>", "kept with the revocation", "")
    .option("--json", "as JSON")
    .withExamples("mesh revoke carol@office.carol --reason 'lost laptop'");
  return withDoorOptions(command).action(async (identity: string, options: Options) => {
    await throughDoor(cli, options, async ({ api }) => {
      const answer = await api.revoke({ identity, reason: options.reason });
      if (options.json === true) return printJson(cli, answer);
      print(cli, `Revoked ${answer.revoked.spiffeId}. Its open connections are closed.`);
    });
  });
}
