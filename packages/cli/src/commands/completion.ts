import { type Cli, print } from "../cli.js";
import { MeshCommand } from "../command.js";
import { completionScript, SHELLS, type Shell } from "../completion-scripts.js";
import type { CommandDescription } from "../describe.js";
import { usageError } from "../failures.js";

export function completionCommand(cli: Cli, describe: () => CommandDescription): MeshCommand {
  return new MeshCommand("completion")
    .description("print a script that completes commands and options in your shell")
    .argument("<shell>", SHELLS.join(", "))
    .withExamples(
      "source <(mesh completion bash)",
      "mesh completion zsh > ~/.zfunc/_mesh",
      "mesh completion fish > ~/.config/fish/completions/mesh.fish",
    )
    .action((shell: string) => {
      if (!SHELLS.includes(shell as Shell)) {
        throw usageError(`${JSON.stringify(shell)} is not one of ${SHELLS.join(", ")}`);
      }
      print(cli, completionScript(shell as Shell, describe()));
    });
}
