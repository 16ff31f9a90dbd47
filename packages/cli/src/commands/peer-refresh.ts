import type { PeerView } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { formatTime } from "../text.js";

export function peerRefreshCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("refresh")
    .description("exchange what is new with a peer now: addresses, CAs, revoked keys")
    .argument("[peer]", "alias or domain; all peers without it")
    .option("--json", "as JSON")
    .withExamples("mesh peer refresh bob", "mesh peer refresh");
  return withDoorOptions(command).action(
    async (name: string | undefined, options: DoorOptions & { json?: boolean }) => {
      await throughDoor(cli, options, async ({ api }) => {
        const { listPeers, refreshPeer } = await import("@hearthmesh/client");
        const all = async () => (await listPeers(api)).peers.map(({ trustDomain }) => trustDomain);
        const peers: PeerView[] = [];
        let failure: unknown;
        for (const one of name === undefined ? await all() : [name]) {
          try {
            const { peer } = await refreshPeer(api, one);
            peers.push(peer);
            if (options.json !== true) print(cli, describe(peer));
          } catch (error) {
            // The others are asked all the same.
            failure ??= error;
          }
        }
        if (options.json === true) printJson(cli, { peers });
        if (failure !== undefined) throw failure;
        if (peers.length === 0 && options.json !== true) print(cli, "There are no peers.");
      });
    },
  );
}

function describe({ alias, bundleNotAfterMs }: PeerView): string {
  return `${alias} is up to date, and believed until ${formatTime(bundleNotAfterMs)}.`;
}
