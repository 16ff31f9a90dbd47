import { formatBytes, isMeshError } from "@hearthmesh/core";
import type { StatusResponse } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import {
  type Door,
  type DoorOptions,
  isBesideCoordinator,
  throughDoor,
  throughNodeDoor,
  withDoorOptions,
} from "../door.js";
import { formatTable } from "../table.js";
import { formatDuration, plural, printable } from "../text.js";
import { filesWait } from "./policy-words.js";

export function statusCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("status")
    .description("health, nodes, copies and space")
    .option("--json", "the whole answer as JSON")
    .withExamples(
      "mesh status",
      "mesh status --json | jq '.local_nodes[] | {id, used: .used_capacity}'",
    );
  return withDoorOptions(command).action(async (options: DoorOptions & { json?: boolean }) => {
    if (await isBesideCoordinator(cli, options)) return showNode(cli, options);
    await throughDoor(cli, options, async ({ api, name }) => {
      const status = await api.status();
      if (options.json === true) return printJson(cli, status);
      for (const line of describeStatus(cli, status, name)) print(cli, line);
      for (const line of await describeMesh(api)) print(cli, line);
    });
  });
}

/** A node without a coordinator knows itself and its peers; files and invites are elsewhere. */
async function showNode(cli: Cli, options: DoorOptions & { json?: boolean }): Promise<void> {
  await throughNodeDoor(cli, options, async ({ api, name }) => {
    const [health, status] = await Promise.all([api.health(), api.meshStatus()]);
    if (options.json === true) return printJson(cli, { health, mesh: status });
    const { bold, dim } = cli.colours;
    const { node } = status;
    print(cli, `${bold(node.name)} of ${node.memberId}, ${paintHealth(cli, health.status)}`);
    for (const { reason } of health.checks) {
      if (reason !== undefined) print(cli, `  - ${printable(reason)}`);
    }
    print(cli, dim(`asked ${name}`));
    print(cli, "");
    print(cli, `node       ${node.roles.join(", ")}, version ${node.version}`);
    for (const line of await describeMesh(api)) print(cli, line);
  });
}

/** Who is there, who found them, and why somebody is not reachable. */
async function describeMesh(api: Door["api"]): Promise<string[]> {
  const answers = await Promise.all([api.meshStatus(), api.meshPeers()]).catch((error: unknown) => {
    if (isMeshError(error, "MESH_DISABLED")) return undefined;
    throw error;
  });
  if (answers === undefined) return ["", "mesh       switched off (MESH_ENABLED=false)"];
  const [status, { count, peers, missing }] = answers;
  const found = new Set(peers.flatMap(({ foundBy }) => foundBy.map(({ method }) => method)));
  const by = found.size === 0 ? "" : `, found by ${[...found].join(", ")}`;
  const lines = ["", `mesh       ${plural(count, "peer")}${by}; mesh peers shows them`];
  for (const { name, state, reason } of missing) {
    lines.push(
      `           ${printable(name)} is ${state}${reason ? `: ${printable(reason)}` : ""}`,
    );
  }
  for (const { method, reason } of status.discovery) {
    if (reason !== undefined) lines.push(`           ${method}: ${printable(reason)}`);
  }
  return lines;
}

function describeStatus(cli: Cli, status: StatusResponse, via: string): string[] {
  const { bold, dim } = cli.colours;
  const { member, node, totals, replication } = status;
  const reasons = status.health.reasons.map((reason) => `  - ${printable(reason)}`);
  const used = `${formatBytes(totals.usedBytes)} of ${formatBytes(totals.capacityBytes)} used`;
  return [
    `${bold(member.id)} (${member.trustDomain}), ${paintHealth(cli, status.health.status)}`,
    ...reasons,
    dim(`asked ${via}`),
    "",
    `node       ${node.name} (${node.roles.join(", ")}), ` +
      `version ${node.version}, up ${formatDuration(node.uptimeMs)}`,
    ...leaderLine(status),
    `storage    ${plural(totals.online, "node")} of ${totals.nodes} online, ${used}`,
    `copies     ${replication.replicas} of every chunk, ` +
      `${replication.acksNeeded} before a write is answered` +
      (replication.repairQueue > 0
        ? `; ${plural(replication.repairQueue, "chunk")} wait for repair`
        : ""),
    ...(replication.note === undefined ? [] : [`           ${printable(replication.note)}`]),
    ...friendsLine(status),
    `certificate until ${status.certificate.notAfter}`,
    "",
    ...nodeTable(cli, status),
  ];
}

/** Only for a member that keeps copies at friends, or wants to. */
function friendsLine({ copies }: StatusResponse): string[] {
  if (copies === null || (copies.waiting === 0 && (copies.kept ?? 0) === 0)) return [];
  const { waiting, kept } = copies;
  const [first] = copies.reasons;
  const have = kept === null ? "not counted yet" : plural(kept, "sealed copy", "sealed copies");
  const wait = waiting === null ? "not known how many files wait" : filesWait(waiting);
  const why = first === undefined ? "" : ` (${printable(first.reason)})`;
  return [`friends    ${have}; ${wait}${why}`];
}

/** Only where it says something: a member with one coordinator has no other leader. */
function leaderLine({ leader }: StatusResponse): string[] {
  if (leader === undefined) return ["leader     none: an election is going on"];
  return leader.isHere ? [] : [`leader     ${printable(leader.name)}, epoch ${leader.epoch}`];
}

function nodeTable(cli: Cli, status: StatusResponse): string[] {
  const columns = [
    { title: "NODE" },
    { title: "STATE" },
    { title: "USED", align: "right" as const },
    { title: "CAPACITY", align: "right" as const },
    { title: "CHUNKS", align: "right" as const },
    { title: "LAST SEEN" },
    { title: "ADDRESS" },
  ];
  const nowMs = Date.parse(status.time);
  const rows = [...status.local_nodes, ...status.remote_nodes].map((node) => [
    printable(node.name),
    paintState(cli, node.state),
    node.used_capacity === null ? "unknown" : formatBytes(node.used_capacity),
    node.total_capacity === null ? "unknown" : formatBytes(node.total_capacity),
    node.chunk_count === null ? "unknown" : String(node.chunk_count),
    node.last_seen === null ? "never" : `${formatDuration(nowMs - Date.parse(node.last_seen))} ago`,
    printable(node.reason ?? node.addresses[0] ?? ""),
  ]);
  if (rows.length === 0) return ["No storage node yet: mesh invite generate --node"];
  return formatTable(columns, rows, cli.colours.dim);
}

function paintHealth(cli: Cli, health: StatusResponse["health"]["status"]): string {
  const { green, yellow, red } = cli.colours;
  const paint = health === "ok" ? green : health === "failing" ? red : yellow;
  return paint(health);
}

export function paintState(cli: Cli, state: "online" | "offline" | "draining" | "drained"): string {
  const { green, yellow, red } = cli.colours;
  const paint = state === "online" ? green : state === "offline" ? red : yellow;
  return paint(state);
}
