import { MeshError } from "@hearthmesh/core";
import type { OverlayReport } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughNodeDoor, withDoorOptions } from "../door.js";
import { formatTable } from "../table.js";
import { printable } from "../text.js";

export function overlayStatusCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("status")
    .description("the overlay of this node: its address there, whether it is up, who is connected")
    .option("--json", "as JSON")
    .withExamples("mesh overlay status", "mesh overlay status --json | jq -r .address");
  return withDoorOptions(command).action(async (options: DoorOptions & { json?: boolean }) => {
    await throughNodeDoor(cli, options, async ({ api }) => {
      const { overlay } = await api.meshStatus();
      if (overlay === null) throw new MeshError("MESH_OVERLAY_OFF");
      if (options.json === true) return printJson(cli, overlay);
      for (const line of overlayLines(cli, overlay)) print(cli, line);
    });
  });
}

function overlayLines(cli: Cli, overlay: OverlayReport): string[] {
  const { green, red, yellow, dim } = cli.colours;
  const isWaiting = overlay.state === "starting" || overlay.state === "stopped";
  const paint = overlay.state === "up" ? green : isWaiting ? yellow : red;
  const seconds = overlay.uptimeSeconds;
  const since = seconds === null ? "" : `, started ${Math.round(seconds)} s ago`;
  const times = overlay.restarts === 1 ? "once" : `${overlay.restarts} times`;
  const restarts = overlay.restarts === 0 ? "" : `, ended ${times} by itself`;
  const version = overlay.version === null ? "" : ` ${printable(overlay.version)}`;
  const lines = [
    `${printable(overlay.type)}${version}: ${paint(overlay.state)}${since}${restarts}`,
    ...(overlay.reason === undefined ? [] : [`  ${printable(overlay.reason)}`]),
    `Address  ${overlay.address ?? "none: it has no interface"}`,
    `Subnet   ${printable(overlay.subnet ?? "none")}`,
    `Key      ${overlay.key ?? "none"}`,
  ];
  if (overlay.peers.length === 0) return [...lines, "Peers    none is connected"];
  const columns = ["PEER", "STATE", "NODE", "WAY", "ADDRESS", "REMOTE"].map((title) => ({ title }));
  const rows = overlay.peers.map((peer) => [
    peer.key.slice(0, 12),
    peer.up ? green("up") : red("down"),
    printable(peer.node ?? ""),
    wayOf(peer),
    peer.address,
    printable(peer.remote),
  ]);
  const reasons = overlay.peers.flatMap(({ remote, reason }) =>
    reason === undefined ? [] : [`${printable(remote)}: ${printable(reason)}`],
  );
  return [...lines, "", ...formatTable(columns, rows, dim), ...reasons];
}

function wayOf({ inbound }: OverlayReport["peers"][number]): string {
  if (inbound === null) return "unknown";
  return inbound ? "in" : "out";
}
