/**
 * `ring_topology_<pool id>.json`: the ring as this node sees it, for people and scripts. Written
 * whole on every change. `shard_column_range` is half open: `end` belongs to the next member.
 */
import { RING_COLUMNS } from "../shards/shard.js";
import type { PoolMemberView, PoolView } from "./pool-directory.js";

export interface RingTopology {
  readonly v: 1;
  readonly pool_id: string;
  readonly pool_name: string;
  readonly network_id: string;
  readonly epoch: number;
  readonly total_columns: number;
  readonly members: readonly RingTopologyMember[];
}

interface RingTopologyMember {
  readonly node_id: string;
  readonly name: string;
  readonly role: string;
  readonly position: number;
  readonly shard_column_range: { readonly start: number; readonly end: number };
  readonly columns: number;
  readonly capacity: number;
  readonly status: "online" | "offline";
  readonly lan_address: string | null;
}

export function ringTopologyName(poolId: string): string {
  return `ring_topology_${poolId}.json`;
}

export function ringTopologyOf(pool: PoolView): RingTopology {
  return {
    v: 1,
    pool_id: pool.poolId,
    pool_name: pool.name,
    network_id: pool.networkId,
    epoch: pool.epoch,
    total_columns: RING_COLUMNS,
    members: pool.members.map(memberOf),
  };
}

function memberOf(member: PoolMemberView): RingTopologyMember {
  const { from, to } = member.columns;
  return {
    node_id: member.nodeId,
    name: member.name,
    role: member.role,
    position: member.position,
    shard_column_range: { start: from, end: to },
    columns: to - from,
    capacity: member.capacity,
    status: member.status,
    lan_address: member.lanAddress ?? null,
  };
}
