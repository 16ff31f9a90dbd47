import { formatBytes } from "@hearthmesh/core";
import type { StoreStatusResponse } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { formatTime, plural, printable } from "../text.js";

export function storeStatusCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("status")
    .description("engine, health, size and leader of the member's store")
    .option("--json", "as JSON")
    .withExamples("mesh store status", "mesh store status --json | jq .state");
  return withDoorOptions(command).action(async (options: DoorOptions & { json?: boolean }) => {
    await throughDoor(cli, options, async ({ api }) => {
      const { storeStatus } = await import("@hearthmesh/client");
      const status = await storeStatus(api);
      if (options.json === true) return printJson(cli, status);
      for (const [title, text] of linesOf(cli, status)) print(cli, `${title.padEnd(10)} ${text}`);
    });
  });
}

function linesOf(cli: Cli, status: StoreStatusResponse): [string, string][] {
  const { green, yellow, red } = cli.colours;
  const { state, message, leader, lastSnapshot, revision, keys } = status;
  const paint = state === "ok" ? green : state === "degraded" ? yellow : red;
  const engine = status.version === null ? status.engine : `${status.engine} ${status.version}`;
  const known = (value: number | null) => (value === null ? "unknown" : String(value));
  const voters = plural(status.voters, "voter");
  const leads = leader === null ? "unknown" : `${printable(leader.name)} (epoch ${leader.epoch})`;
  const at = lastSnapshot === null ? undefined : formatTime(Date.parse(lastSnapshot));
  return [
    ["Store", `${engine} (${status.mode}): ${paint(state)}`],
    ["", printable(message)],
    ["Members", `${status.healthy} of ${status.members} answer, ${voters}`],
    ["Leads", leads],
    ["Revision", `${known(revision)}, ${known(keys)} keys`],
    ["Size", sizeText(status)],
    ...(at === undefined ? [] : ([["Snapshot", at]] as [string, string][])),
  ];
}

function sizeText({ sizeBytes, sizeInUseBytes, quotaBytes }: StoreStatusResponse): string {
  if (sizeBytes === null) return "unknown";
  const used = sizeInUseBytes === null ? "" : ` (${formatBytes(sizeInUseBytes)} in use)`;
  const quota = quotaBytes === null ? "" : ` of ${formatBytes(quotaBytes)}`;
  return `${formatBytes(sizeBytes)}${used}${quota}`;
}
