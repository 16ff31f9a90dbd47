import type { LockView } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { formatTable } from "../table.js";
import { formatTime, printable } from "../text.js";

export function lockListCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("list")
    .alias("ls")
    .description("the locks that are held, by whom, and how many wait")
    .argument("[prefix]", "only those whose names begin with it", "")
    .option("--json", "as JSON")
    .withExamples("mesh lock list", "mesh lock list jobs/");
  return withDoorOptions(command).action(
    async (prefix: string, options: DoorOptions & { json?: boolean }) => {
      await throughDoor(cli, options, async ({ api }) => {
        const { LockClient } = await import("@hearthmesh/client");
        const client = new LockClient({ door: api, clock: cli.clock, random: cli.random });
        const locks: LockView[] = [];
        for await (const lock of client.list(prefix, { signal: cli.signal })) locks.push(lock);
        if (options.json === true) return printJson(cli, { locks });
        if (locks.length === 0) return print(cli, "No lock is held.");
        const titles = ["NAME", "TOKEN", "HOLDER", "IDENTITY", "SINCE", "WAITING"];
        const columns = titles.map((title) =>
          title === "TOKEN" || title === "WAITING" ? { title, align: "right" as const } : { title },
        );
        for (const line of formatTable(columns, locks.map(rowOf), cli.colours.dim)) {
          print(cli, line);
        }
      });
    },
  );
}

function rowOf({ name, held, waiting }: LockView): string[] {
  if (held === null) return [printable(name), "", "", "", "", String(waiting)];
  return [
    printable(name),
    String(held.token),
    printable(held.holder || "-"),
    printable(held.principal.split("/").slice(3).join("/") || held.principal),
    formatTime(held.sinceMs),
    String(waiting),
  ];
}
