import type { ServiceView } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughNodeDoor, withDoorOptions } from "../door.js";
import { formatTable } from "../table.js";
import { printable } from "../text.js";

export function serviceListCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("list")
    .alias("ls")
    .description("what runs in the mesh, and whether it works")
    .option("--json", "as JSON")
    .withExamples("mesh service list");
  return withDoorOptions(command).action(async (options: DoorOptions & { json?: boolean }) => {
    await throughNodeDoor(cli, options, async ({ api }) => {
      const { listServices } = await import("@hearthmesh/client");
      const answer = await listServices(api);
      if (options.json === true) return printJson(cli, answer);
      if (answer.services.length === 0) {
        print(cli, "No service yet: mesh service add NAME --port PORT, where the program runs.");
        return;
      }
      const titles = ["NAME", "NODE", "HEALTH", "PROTOCOL", "CAPABILITIES", "LOAD", "COST", "AT"];
      const columns = titles.map((title) =>
        title === "LOAD" || title === "COST" ? { title, align: "right" as const } : { title },
      );
      const rows = answer.services.map((service) => rowOf(cli, service));
      for (const line of formatTable(columns, rows, cli.colours.dim)) print(cli, line);
      for (const { name, reason } of answer.services) {
        if (reason !== undefined) print(cli, `${printable(name)}: ${printable(reason)}`);
      }
    });
  });
}

function rowOf(cli: Cli, service: ServiceView): string[] {
  const { health, costMs, local } = service;
  const { green, red, yellow } = cli.colours;
  const paint = health === "ok" ? green : health === "failing" ? red : yellow;
  const cost = costMs === null ? "no way" : `${costMs.toFixed(costMs < 10 ? 1 : 0)} ms`;
  return [
    printable(service.name),
    printable(service.node),
    paint(health),
    service.protocol,
    printable(service.capabilities.join(",")),
    String(service.load),
    local ? "here" : cost,
    printable(service.address ?? ""),
  ];
}
