/**
 * What concerns the whole member: replicas, layout, disks, nodes that corrupt, the store, its
 * members, the leader, pools. On a node without a coordinator only what is its own.
 */
import type { CoordinatorSeat } from "@hearthmesh/collective";
import type { Config } from "../../config/config.js";
import type { NodeRecord } from "../../home.js";
import type { LinkDoors } from "../../link-doors.js";
import type { MemberGround } from "../../member-authority.js";
import type { MeshPart } from "../../mesh/mesh-part.js";
import type { PeerLinks } from "../../peer-links.js";
import type { NodePools } from "../../pool/open-pools.js";
import type { StoragePart } from "../../storage-part.js";
import type { Tools } from "../../tools.js";
import type { HealingList } from "../healing-list.js";

export interface MemberHealingDeps extends Tools {
  readonly config: Config;
  readonly record: NodeRecord;
  readonly links: LinkDoors;
  readonly peers: PeerLinks;
  /** On a coordinator: store, authority, leadership; and the seat of the one that leads. */
  readonly coordinator:
    | { readonly ground: MemberGround; readonly seat: CoordinatorSeat }
    | undefined;
  /** Undefined while the mesh is off. */
  readonly mesh: MeshPart | undefined;
  readonly pools: NodePools | undefined;
  /** Undefined on a node without the role. */
  readonly storage: StoragePart | undefined;
}

export function memberHealing(_deps: MemberHealingDeps): HealingList {
  return { monitors: [], remedies: [] };
}
