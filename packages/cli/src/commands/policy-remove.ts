import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { printable } from "../text.js";

export function policyRemoveCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("remove")
    .description("take a policy from a path; copies that no other policy wants are removed")
    .argument("<path>", "exactly as `mesh policy list` shows it")
    .option("--json", "as JSON")
    .withExamples("mesh policy remove /photos");
  return withDoorOptions(command).action(
    async (path: string, options: DoorOptions & { json?: boolean }) => {
      await throughDoor(cli, options, async ({ api }) => {
        const { removePolicy } = await import("@hearthmesh/client");
        const answer = await removePolicy(api, path);
        if (options.json === true) return printJson(cli, answer);
        print(cli, `${printable(answer.policy.path)} has no policy of its own any longer.`);
      });
    },
  );
}
