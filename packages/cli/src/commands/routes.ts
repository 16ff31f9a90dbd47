import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughNodeDoor, withDoorOptions } from "../door.js";
import { formatTable } from "../table.js";
import { printable } from "../text.js";

export function routesCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("routes")
    .description("the way to every node of the mesh: next hop, cost, alternatives")
    .option("--json", "as JSON")
    .withExamples("mesh routes");
  return withDoorOptions(command).action(async (options: DoorOptions & { json?: boolean }) => {
    await throughNodeDoor(cli, options, async ({ api }) => {
      const answer = await api.meshRoutes();
      if (options.json === true) return printJson(cli, answer);
      if (answer.routes.length === 0) {
        print(cli, "No way to another node is known. mesh peers tells why.");
        return;
      }
      const columns = ["DESTINATION", "NEXT HOP", "COST", "PATH", "ALTERNATIVES"].map((title) => ({
        title,
      }));
      const rows = answer.routes.map((route) => [
        printable(route.name),
        printable(route.next_hop),
        `${route.cost.toFixed(1)} ms`,
        printable(route.path.join(" > ")),
        printable(route.alternatives.map(({ path }) => path.join(" > ")).join("; ")),
      ]);
      for (const line of formatTable(columns, rows, cli.colours.dim)) print(cli, line);
    });
  });
}
