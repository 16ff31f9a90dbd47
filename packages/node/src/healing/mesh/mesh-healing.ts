/**
 * What the healer of every node sees and mends of the mesh and of its own process: peers, hubs,
 * routes, services, supervised processes, load, memory, certificate, clock, canary.
 */
import type { HealthResponse } from "@hearthmesh/gateway/contracts";
import type { NodeModels } from "../../ai/model-sources.js";
import type { Config } from "../../config/config.js";
import type { CredentialHolder } from "../../credential-holder.js";
import type { NodeRecord } from "../../home.js";
import type { LinkDoors } from "../../link-doors.js";
import type { MemberGround } from "../../member-authority.js";
import type { MeshPart } from "../../mesh/mesh-part.js";
import type { PeerLinks } from "../../peer-links.js";
import type { Renewal } from "../../renewal.js";
import type { StoragePart } from "../../storage-part.js";
import type { Tools } from "../../tools.js";
import type { HealingList } from "../healing-list.js";

export interface MeshHealingDeps extends Tools {
  readonly config: Config;
  readonly record: NodeRecord;
  readonly credentials: CredentialHolder;
  readonly renewal: Renewal;
  readonly links: LinkDoors;
  readonly peers: PeerLinks;
  /** Undefined while the mesh is off. */
  readonly mesh: MeshPart | undefined;
  /** Undefined while the mesh is off on a node without a coordinator. */
  readonly models: NodeModels["sources"] | undefined;
  /** On a coordinator; its store is maybe an etcd that this node supervises. */
  readonly coordinator: { readonly ground: Pick<MemberGround, "memberStore"> } | undefined;
  /** Undefined on a node without the role. */
  readonly storage: StoragePart | undefined;
  /** The canary on the real path. */
  ready(): Promise<HealthResponse>;
}

export function meshHealing(_deps: MeshHealingDeps): HealingList {
  return { monitors: [], remedies: [] };
}
