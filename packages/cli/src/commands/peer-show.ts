import { MeshError } from "@hearthmesh/core";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { describePeer } from "./peer-view.js";

export function peerShowCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("show")
    .description("one peer: how it is, where it is, and the words to compare")
    .argument("<peer>", "alias or domain")
    .option("--json", "as JSON")
    .withExamples("mesh peer show bob");
  return withDoorOptions(command).action(
    async (name: string, options: DoorOptions & { json?: boolean }) => {
      await throughDoor(cli, options, async ({ api }) => {
        const { listPeers } = await import("@hearthmesh/client");
        const { peers } = await listPeers(api);
        const plain = name.trim().toLowerCase();
        const peer = peers.find(({ alias, trustDomain }) => [alias, trustDomain].includes(plain));
        if (peer === undefined) throw new MeshError("MESH_PEER_UNKNOWN");
        if (options.json === true) return printJson(cli, { peer });
        for (const line of describePeer(cli, peer)) print(cli, line);
      });
    },
  );
}
