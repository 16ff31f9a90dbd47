import type { ApiClient } from "@hearthmesh/client";
import { formatBytes, isMeshError } from "@hearthmesh/core";
import type { PoolView, RingsResponse } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { throughNodeDoor } from "../door.js";
import { formatTable } from "../table.js";
import { plural, printable } from "../text.js";
import {
  columnsText,
  findPool,
  type PoolOptions,
  paintPoolStatus,
  withPoolOptions,
} from "./pool-options.js";

export function ringStatusCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("status")
    .description("the ring of a pool: order, columns, and the models that run in it")
    .withExamples("mesh ring status", "mesh ring status --json | jq .models");
  return withPoolOptions(command).action(async (options: PoolOptions) => {
    await throughNodeDoor(cli, options, async ({ api }) => {
      const client = await import("@hearthmesh/client");
      const pool = await poolOrNone(api, options);
      const rings = await client.rings(api);
      const { led: models, held: shards, unavailable } = rings;
      if (options.json === true) {
        return printJson(cli, { pool: pool ?? null, unavailable, models, shards });
      }
      const lines = [
        ...poolLines(cli, pool, unavailable !== null),
        "",
        ...offLines(pool, rings),
        ...ringLines(cli, rings),
      ];
      for (const line of lines) print(cli, line);
    });
  });
}

/** A node without a pool still runs models by itself. */
async function poolOrNone(api: ApiClient, options: PoolOptions): Promise<PoolView | undefined> {
  try {
    return await findPool(api, options);
  } catch (error) {
    const isNone = isMeshError(error, "MESH_POOL_UNKNOWN") && options.poolId === undefined;
    if (isNone) return undefined;
    throw error;
  }
}

function poolLines(cli: Cli, pool: PoolView | undefined, isOff: boolean): string[] {
  if (pool === undefined) {
    return [`This node is in no pool${isOff ? "" : ": its models run on it alone"}.`];
  }
  const { dim, green, yellow } = cli.colours;
  const online = pool.members.filter(({ status }) => status === "online").length;
  const isWhole = online === pool.members.length;
  const count = `${online} of ${plural(pool.members.length, "member")} online`;
  const rows = pool.members.map((member) => [
    String(member.position),
    printable(member.name) + (member.isSelf ? " (this node)" : ""),
    paintPoolStatus(cli, member.status),
    columnsText(member),
    String(member.columns.to - member.columns.from),
    member.nodeId,
  ]);
  const titles = ["POSITION", "NAME", "STATUS", "COLUMNS", "COUNT", "NODE ID"];
  const columns = titles.map((title) => ({ title }));
  return [
    `Ring of ${printable(pool.name)}: epoch ${pool.epoch}, ${
      isWhole ? green(count) : yellow(count)
    }`,
    ...formatTable(columns, rows, dim),
  ];
}

/** Why this node runs no models itself, and what a person can do. */
function offLines(pool: PoolView | undefined, { unavailable }: RingsResponse): string[] {
  if (unavailable === null) return [];
  const why = `This node runs no models: ${printable(unavailable)}.`;
  const start = "`mesh up --ai true`, or `ai.enabled: true` in its configuration, lets it";
  return pool === undefined
    ? [why, `${start}; or join a pool whose machines do: \`mesh pool join\`.`]
    : [why, `Members of the pool answer its requests. ${start} run them too.`];
}

function ringLines(cli: Cli, { led, held }: RingsResponse): string[] {
  const { dim } = cli.colours;
  const others = held.filter(({ ringId }) => !led.some((ring) => ring.ringId === ringId));
  if (led.length + others.length === 0) {
    const next = "a request loads one, `mesh inference --explain` says where it can run";
    return [`No model is loaded on this node: ${next}.`];
  }
  const rows = led.map((ring) => [
    printable(ring.model),
    ring.placement === "R" ? "one member" : "split",
    ring.state,
    String(ring.epoch),
    String(ring.running),
    ring.members
      .map(({ name, columns }) => `${printable(name)} ${columns.to - columns.from}`)
      .join(", "),
    formatBytes(ring.members.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0)),
  ]);
  const titles = ["MODEL", "PLACEMENT", "STATE", "EPOCH", "RUNNING", "MEMBERS", "MEMORY"];
  const columns = titles.map((title) => ({ title }));
  return [
    ...(rows.length === 0 ? [] : formatTable(columns, rows, dim)),
    ...others.map((shard) => {
      const memory = formatBytes(shard.memoryBytes);
      const model = shard.modelId.slice(0, 12);
      const facts = `${shard.state}, ${memory}, epoch ${shard.epoch}`;
      return `Holds a part of ${model} for ${printable(shard.leader)}: ${facts}`;
    }),
  ];
}
