/** The pools that this node knows, as other parts read them. */
import type { NodeId } from "@hearthmesh/core";
import type { Span } from "../shards/shard.js";

export type PoolRole = "admin" | "member";

export interface PoolMemberView {
  readonly nodeId: NodeId;
  readonly name: string;
  readonly role: PoolRole;
  /** Position in the ring, from 0. */
  readonly position: number;
  /** Of the 8,192 columns; follows from the capacities of all members. */
  readonly columns: Span;
  /** Share of the columns, as the member itself says: any positive whole number. */
  readonly capacity: number;
  /** `host:port` on the LAN, as it was last seen; undefined when it never was. */
  readonly lanAddress: string | undefined;
  readonly isSelf: boolean;
  readonly status: "online" | "offline";
  /** Wall clock. */
  readonly lastSeenMs: number | undefined;
}

export interface PoolView {
  readonly poolId: string;
  readonly name: string;
  readonly networkId: string;
  /** The pool's root public key as text. */
  readonly rootPublicKey: string;
  /** Rises with every change of who belongs to the ring, their order or their columns. */
  readonly epoch: number;
  /** In the order of the ring. */
  readonly members: readonly PoolMemberView[];
}

export interface PoolDirectory {
  pools(): readonly PoolView[];
  /** `MESH_POOL_UNKNOWN`. */
  pool(poolId: string): PoolView;
  onChange(listener: () => void): () => void;
}
