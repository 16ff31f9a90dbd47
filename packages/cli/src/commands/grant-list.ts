import type { GrantEntry } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { formatTable } from "../table.js";
import { formatTime, printable } from "../text.js";

interface Options extends DoorOptions {
  path?: string;
  json?: boolean;
}

export function grantListCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("list")
    .alias("ls")
    .description("grants beyond those of invites; a person sees its own and those that it gave")
    .argument("[subject]", "only those for this name, domain or key")
    .option("--path <path>", "only those that say something about this path or what is below it")
    .option("--json", "as JSON")
    .withExamples("mesh grant list", "mesh grant list '*@garage.bob'", "mesh grant list --path /a");
  return withDoorOptions(command).action(async (subject: string | undefined, options: Options) => {
    const { path } = options;
    await throughDoor(cli, options, async ({ api }) => {
      const { listGrants } = await import("@hearthmesh/client");
      const answer = await listGrants(api, {
        ...(subject === undefined ? {} : { subject }),
        ...(path === undefined ? {} : { path }),
      });
      if (options.json === true) return printJson(cli, answer);
      if (answer.grants.length === 0) return print(cli, "There are no such grants.");
      const titles = ["ID", "SUBJECT", "GRANT", "STATE", "UNTIL", "GIVEN BY"];
      const columns = titles.map((title) => ({ title }));
      const rows = answer.grants.map((one) => rowOf(cli, one));
      for (const line of formatTable(columns, rows, cli.colours.dim)) print(cli, line);
    });
  });
}

function rowOf(cli: Cli, { id, subject, grant, state, givenBy }: GrantEntry): string[] {
  const { effect, path, rights, notAfterMs } = grant;
  return [
    id,
    printable(subject),
    printable(`${effect === "deny" ? "!" : ""}${path}:${rights.join("+")}`),
    state === "open" ? cli.colours.green(state) : state,
    notAfterMs === undefined ? "" : formatTime(notAfterMs),
    printable(givenBy ?? "operator"),
  ];
}
