import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { openHome } from "../door.js";

interface Options {
  globalId: string;
  displayName?: string;
  force?: boolean;
  home?: string;
  json?: boolean;
}

export function identityInitCommand(cli: Cli): MeshCommand {
  return new MeshCommand("init")
    .description("make a key and an identity on this machine")
    .requiredOption("--global-id <name@domain>", "how others know you")
    .option("--display-name <name>", "how you are shown to people")
    .option("--force", "put an identity that is there aside and make a new one")
    .option("--home <directory>", "data directory instead of MESH_HOME")
    .option("--json", "as JSON")
    .withExamples("mesh identity init --global-id carol@office.carol")
    .action(async (options: Options) => {
      const home = await openHome(cli, options);
      const identity = await home.create({
        globalId: options.globalId,
        replace: options.force === true,
        nowMs: cli.clock.nowMs(),
        ...(options.displayName === undefined ? {} : { displayName: options.displayName }),
      });
      if (options.json === true) return printJson(cli, identity);
      print(cli, `Made the identity ${identity.globalId}.`);
      print(cli, `Its key is in ${home.path} and never leaves this machine.`);
      print(cli, "Next: mesh invite redeem CODE");
    });
}
