import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { printable } from "../text.js";

export function nodeIntroduceCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("introduce")
    .description("make a node of another mesh known to this one, by its URL")
    .argument("<url>", "its HTTP port, such as http://192.168.1.100:3000")
    .argument("<name>", "what it is called here")
    .argument("[capabilities]", "what it is good for: storage,compute,ai,gateway,archive", "")
    .option("--json", "as JSON")
    .withExamples("mesh node introduce http://192.168.1.100:3000 homelab-node storage,compute");
  return withDoorOptions(command).action(
    async (
      nodeUrl: string,
      nodeName: string,
      capabilities: string,
      options: DoorOptions & { json?: boolean },
    ) => {
      await throughDoor(cli, options, async ({ api }) => {
        const { registerNode } = await import("@hearthmesh/client");
        const answer = await registerNode(api, { nodeUrl, nodeName, capabilities });
        if (options.json === true) return printJson(cli, answer);
        const { node, fingerprint, trust } = answer;
        print(cli, `${node.name} (${printable(node.memberId)}) is known here now.`);
        print(cli, `  ${printable(trust)}`);
        print(cli, "\nCompare these words with the other side, by voice:\n");
        print(cli, `  ${cli.colours.bold(printable(fingerprint))}\n`);
        print(cli, cli.colours.dim("There, `mesh node introduced` shows them for `self`."));
        print(cli, cli.colours.dim(`If they differ: mesh node remove ${node.name}`));
      });
    },
  );
}
