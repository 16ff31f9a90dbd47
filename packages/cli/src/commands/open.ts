import { spawn } from "node:child_process";
import { type Cli, print } from "../cli.js";
import { MeshCommand } from "../command.js";
import { findHome, requireLocalUrl } from "../home.js";

export function openCommand(cli: Cli): MeshCommand {
  return new MeshCommand("open")
    .description("open the page of the node on this machine")
    .option("--print", "only print its address")
    .option("--home <directory>", "data directory instead of MESH_HOME")
    .withExamples("mesh open", "mesh open --print")
    .action(async (options: { print?: boolean; home?: string }) => {
      const home = await findHome(cli, options.home);
      const url = await requireLocalUrl(home);
      print(cli, url);
      if (cli.terminal && options.print !== true) showInBrowser(url);
    });
}

/** Best effort: the address was printed already. */
function showInBrowser(url: string): void {
  const [program, ...before] =
    process.platform === "darwin"
      ? ["open"]
      : process.platform === "win32"
        ? ["rundll32", "url.dll,FileProtocolHandler"]
        : ["xdg-open"];
  const child = spawn(program ?? "xdg-open", [...before, url], { stdio: "ignore", detached: true });
  child.on("error", () => undefined);
  child.unref();
}
