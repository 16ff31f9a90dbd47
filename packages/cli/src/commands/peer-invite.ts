import type { ApiClient } from "@hearthmesh/client";
import { MeshError, sleep } from "@hearthmesh/core";
import type { PeerInviteResponse, PeerView } from "@hearthmesh/gateway/contracts";
import { type Cli, note, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { formatTime } from "../text.js";
import { printWords } from "./peer-view.js";

interface Options extends DoorOptions {
  as?: string;
  validity: string;
  qr?: boolean;
  quiet?: boolean;
  wait?: boolean;
  json?: boolean;
}

const LOOK_EVERY_MS = 1_000;

export function peerInviteCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("invite")
    .description("make a code by which one other member becomes a peer of this one")
    .option("--as <alias>", "what it is called here, as in /@bob/...; default: its own name")
    .option("--validity <time>", "how long the code may be used: 30m, 24h, 7d", "24h")
    .option("--wait", "until the code was taken; prints the words to compare")
    .option("--qr", "show the link as a QR code")
    .option("-q, --quiet", "print the code alone")
    .option("--json", "as JSON")
    .withExamples("mesh peer invite", "mesh peer invite --as bob --wait", "mesh peer invite --qr");
  return withDoorOptions(command).action(async (options: Options) => {
    await throughDoor(cli, options, async ({ api }) => {
      const { invitePeer } = await import("@hearthmesh/client");
      const as = options.as === undefined ? {} : { as: options.as };
      const created = await invitePeer(api, { validity: options.validity, ...as });
      await printCode(cli, created, options);
      if (options.wait !== true) return;
      const peer = await waitForPeer(cli, api, created.invite.id);
      if (options.json === true) return printJson(cli, { peer });
      print(cli, `\n${peer.alias} (${peer.trustDomain}) is a peer now.`);
      printWords(cli, peer);
    });
  });
}

async function printCode(cli: Cli, created: PeerInviteResponse, options: Options): Promise<void> {
  const { invite, code, link } = created;
  if (options.json === true) return printJson(cli, created);
  if (options.quiet === true) return print(cli, code);
  const { bold, dim } = cli.colours;
  print(cli, `Code ${invite.id} for one other member, until ${formatTime(invite.notAfterMs)}`);
  print(cli, `\n${bold(code)}\n`);
  print(cli, dim("Its operator takes it with:"));
  print(cli, `  mesh peer accept ${code}`);
  print(cli, dim("As a link:"));
  print(cli, `  ${link}\n`);
  print(cli, dim("Whoever has the code can use it, once: send it on a way that you trust."));
  print(cli, dim("Then compare the words: `mesh peer list` shows them."));
  if (options.qr !== true) return;
  const { renderUnicodeCompact } = await import("uqr");
  print(cli, `\n${renderUnicodeCompact(link)}`);
}

/** Throws when the code was revoked or has ended before anybody took it. */
async function waitForPeer(cli: Cli, api: ApiClient, inviteId: string): Promise<PeerView> {
  const { listPeers } = await import("@hearthmesh/client");
  note(cli, cli.colours.dim("waiting for the other member ..."));
  for (;;) {
    const { peers, invites } = await listPeers(api);
    const invite = invites.find(({ id }) => id === inviteId);
    const peer = peers.find(({ trustDomain }) => trustDomain === invite?.usedBy);
    if (peer !== undefined) return peer;
    if (invite?.state !== "open") {
      throw new MeshError("MESH_INVITE_EXPIRED", {
        message: `nobody took the code: it is ${invite?.state ?? "gone"}`,
      });
    }
    await sleep(cli.clock, LOOK_EVERY_MS, cli.signal);
  }
}
