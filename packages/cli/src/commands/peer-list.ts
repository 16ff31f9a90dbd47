import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { formatTable } from "../table.js";
import { formatTime, printable } from "../text.js";
import { stateOf } from "./peer-view.js";

export function peerListCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("list")
    .description("the peers of this member, and the codes that wait for one")
    .option("--json", "as JSON")
    .withExamples("mesh peer list");
  return withDoorOptions(command).action(async (options: DoorOptions & { json?: boolean }) => {
    await throughDoor(cli, options, async ({ api }) => {
      const { listPeers } = await import("@hearthmesh/client");
      const answer = await listPeers(api);
      if (options.json === true) return printJson(cli, answer);
      const { peers, invites } = answer;
      if (peers.length === 0) print(cli, "There are no peers. `mesh peer invite` makes a code.");
      const titles =
        peers.length === 0 ? [] : ["PEER", "DOMAIN", "STATE", "LAST EXCHANGE", "WORDS"];
      const rows = peers.map((peer) => [
        peer.alias,
        printable(peer.trustDomain),
        stateOf(cli, peer),
        peer.lastExchange === undefined ? "-" : formatTime(Date.parse(peer.lastExchange)),
        printable(peer.words),
      ]);
      const columns = titles.map((title) => ({ title }));
      for (const line of formatTable(columns, rows, cli.colours.dim)) print(cli, line);
      for (const { id, notAfterMs, state } of invites) {
        if (state !== "open") continue;
        print(cli, `The code ${id} waits for a member, until ${formatTime(notAfterMs)}.`);
      }
    });
  });
}
