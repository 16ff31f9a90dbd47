import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { readCode } from "../input.js";
import { printable } from "../text.js";
import { printWords } from "./peer-view.js";

interface Options extends DoorOptions {
  as?: string;
  json?: boolean;
}

export function peerAcceptCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("accept")
    .description("take the code of another member, which becomes a peer of this one")
    .argument("<code>", "hp1-... or the link; - reads it from standard input")
    .option("--as <alias>", "what it is called here, as in /@alice/...; default: its own name")
    .option("--json", "as JSON")
    .withExamples("mesh peer accept hp1-alice-... --as alice");
  return withDoorOptions(command).action(async (argument: string, options: Options) => {
    const code = await readCode(cli, argument);
    await throughDoor(cli, options, async ({ api }) => {
      const { acceptPeer } = await import("@hearthmesh/client");
      const as = options.as === undefined ? {} : { as: options.as };
      const answer = await acceptPeer(api, { code, ...as });
      if (options.json === true) return printJson(cli, answer);
      const { peer } = answer;
      print(cli, `${peer.alias} (${printable(peer.trustDomain)}) is a peer now.`);
      print(cli, cli.colours.dim("It may do nothing here before you grant it something:"));
      print(
        cli,
        cli.colours.dim(`  mesh grant add "*@${printable(peer.trustDomain)}" /shared:read`),
      );
      printWords(cli, peer);
    });
  });
}
