/** What the commands of pools share: which pool is meant, and how members are shown. */
import type { ApiClient } from "@hearthmesh/client";
import { MeshError } from "@hearthmesh/core";
import type { PoolMemberView, PoolView } from "@hearthmesh/gateway/contracts";
import { type Cli, print } from "../cli.js";
import type { MeshCommand } from "../command.js";
import { type DoorOptions, withDoorOptions } from "../door.js";
import { printable } from "../text.js";

export interface PoolOptions extends DoorOptions {
  poolId?: string;
  json?: boolean;
}

export function withPoolOptions(command: MeshCommand): MeshCommand {
  command
    .option("--pool-id <pool>", "id or name of the pool; needed when there is more than one")
    .option("--json", "as JSON");
  return withDoorOptions(command);
}

/** The pool that was named, else the only one. `MESH_POOL_UNKNOWN`, `MESH_BAD_REQUEST`. */
export async function findPool(api: ApiClient, { poolId }: PoolOptions): Promise<PoolView> {
  const { listPools } = await import("@hearthmesh/client");
  const { pools } = await listPools(api);
  const [only, ...more] = pools;
  if (poolId !== undefined) {
    const found = pools.find((pool) => pool.poolId === poolId || pool.name === poolId);
    if (found !== undefined) return found;
    throw new MeshError("MESH_POOL_UNKNOWN", {
      message: `this node knows no pool ${JSON.stringify(poolId.slice(0, 80))}`,
    });
  }
  if (only === undefined) throw new MeshError("MESH_POOL_UNKNOWN");
  if (more.length === 0) return only;
  throw new MeshError("MESH_BAD_REQUEST", {
    message: `this node knows ${pools.length} pools`,
    hint: `Say which with --pool-id: ${pools.map(({ name }) => printable(name)).join(", ")}.`,
  });
}

export function paintPoolStatus(cli: Cli, status: PoolMemberView["status"]): string {
  return status === "online" ? cli.colours.green("ONLINE") : cli.colours.red("OFFLINE");
}

/** `0-4095`: the first and the last column. */
export function columnsText({ columns }: PoolMemberView): string {
  return columns.to > columns.from ? `${columns.from}-${columns.to - 1}` : "none";
}

/** Name and value in two columns, for people to copy. */
export function printFields(cli: Cli, fields: readonly (readonly [string, string])[]): void {
  const width = Math.max(...fields.map(([name]) => name.length)) + 1;
  for (const [name, value] of fields) print(cli, `${`${name}:`.padEnd(width)}  ${value}`);
}

export function printPoolCredentials(
  cli: Cli,
  pool: Pick<PoolView, "poolId" | "rootPublicKey" | "name" | "networkId">,
  pairingCode?: string,
): void {
  printFields(cli, [
    ["Pool ID", pool.poolId],
    ["Pool Root Public Key", pool.rootPublicKey],
    ["Pool Name", pool.name],
    ["Network ID", pool.networkId],
    ...(pairingCode === undefined ? [] : ([["Pairing Code", pairingCode]] as const)),
  ]);
}
