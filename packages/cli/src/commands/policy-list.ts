import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { formatTable } from "../table.js";
import { printable } from "../text.js";
import { copiesWords } from "./policy-words.js";

export function policyListCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("list")
    .description("every policy, and how many files wait for their copies")
    .option("--json", "as JSON")
    .withExamples("mesh policy list");
  return withDoorOptions(command).action(async (options: DoorOptions & { json?: boolean }) => {
    await throughDoor(cli, options, async ({ api }) => {
      const { listPolicies } = await import("@hearthmesh/client");
      const answer = await listPolicies(api);
      if (options.json === true) return printJson(cli, answer);
      const { policies, copies } = answer;
      if (policies.length === 0) {
        print(cli, "There are no policies: every file is at home, as the layout says.");
      } else {
        const columns = ["PATH", "STRATEGY", "COPIES", "HOMES"].map((title) => ({ title }));
        const rows = policies.map(({ path, strategy, replicas, members }) => [
          printable(path),
          strategy,
          String(replicas),
          String(members),
        ]);
        for (const line of formatTable(columns, rows, cli.colours.dim)) print(cli, line);
      }
      for (const line of copiesWords(copies)) print(cli, line);
    });
  });
}
