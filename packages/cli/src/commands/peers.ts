import type { MeshPeer } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughNodeDoor, withDoorOptions } from "../door.js";
import { formatTable } from "../table.js";
import { printable } from "../text.js";

export function peersCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("peers")
    .description("the other nodes of the mesh: who is there, how they are reached, who found them")
    .option("--json", "as JSON")
    .withExamples("mesh peers", "mesh peers --json | jq '.peers[] | {name, link, via}'");
  return withDoorOptions(command).action(async (options: DoorOptions & { json?: boolean }) => {
    await throughNodeDoor(cli, options, async ({ api }) => {
      const answer = await api.meshPeers();
      if (options.json === true) return printJson(cli, answer);
      const all = [...answer.peers, ...answer.missing];
      if (all.length === 0) {
        print(cli, "No other node of this mesh is known: mesh invite generate --node");
        return;
      }
      const titles = ["NAME", "STATE", "LINK", "ROUND TRIP", "FOUND BY", "ADDRESS", "ID"];
      const columns = titles.map((title) => ({ title }));
      const rows = all.map((peer) => row(cli, peer));
      for (const line of formatTable(columns, rows, cli.colours.dim)) print(cli, line);
      for (const peer of all) {
        if (peer.reason !== undefined)
          print(cli, `${printable(peer.name)}: ${printable(peer.reason)}`);
      }
    });
  });
}

function row(cli: Cli, peer: MeshPeer): string[] {
  const { green, yellow, red } = cli.colours;
  const paint = peer.state === "alive" ? green : peer.state === "suspect" ? yellow : red;
  const link = peer.via.length === 0 ? peer.link : `${peer.link} via ${peer.via.join(", ")}`;
  return [
    printable(peer.name),
    paint(peer.state),
    printable(link),
    peer.roundTripMs === null ? "unknown" : `${peer.roundTripMs.toFixed(1)} ms`,
    peer.foundBy.map(({ method }) => method).join(","),
    printable(peer.addresses[0] ?? ""),
    peer.nodeId.slice(0, 12),
  ];
}
