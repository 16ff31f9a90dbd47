import type { KnownNode } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { formatTable } from "../table.js";
import { printable } from "../text.js";

export function nodeIntroducedCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("introduced")
    .description("nodes of other meshes that are known here, and this node's own fingerprint")
    .option("--json", "as JSON")
    .withExamples("mesh node introduced");
  return withDoorOptions(command).action(async (options: DoorOptions & { json?: boolean }) => {
    await throughDoor(cli, options, async ({ api }) => {
      const { knownNodes } = await import("@hearthmesh/client");
      const { nodes } = await knownNodes(api);
      const shown = nodes.filter(({ trust }) => trust !== "member");
      if (options.json === true) return printJson(cli, { nodes: shown });
      const titles = ["NAME", "STATE", "MEMBER", "CAPABILITIES", "MAY USE", "FROM", "FINGERPRINT"];
      const columns = [...titles, "URL OR REASON"].map((title) => ({ title }));
      const rows = shown.map((node) => describeNode(cli, node));
      for (const line of formatTable(columns, rows, cli.colours.dim)) print(cli, line);
      if (shown.length < 2) print(cli, "No node was introduced yet: mesh node introduce URL NAME");
    });
  });
}

function describeNode(cli: Cli, node: KnownNode): string[] {
  const { green, yellow, red } = cli.colours;
  const paint = node.state === "online" ? green : node.state === "failing" ? red : yellow;
  const isSelf = node.trust === "self";
  return [
    printable(node.name),
    isSelf ? "self" : paint(node.state),
    printable(node.memberId),
    printable(node.capabilities.join(",")),
    isSelf ? "" : (node.scopes?.join(",") ?? "") || "nothing",
    isSelf ? "" : node.allowIps.join(" ") || "anywhere",
    printable(node.fingerprint),
    printable(node.reason ?? node.url ?? ""),
  ];
}
