/**
 * What concerns the whole member: replicas, layout, disks, nodes that corrupt, the store, its
 * members, the leader, pools. The leading coordinator alone looks at the member and mends it; its
 * orders are fenced by its epoch. Every node looks after the disk under its own home, every
 * coordinator after its way to the store, and whoever leads a ring after that ring.
 */
import { statfs } from "node:fs/promises";
import type { CoordinatorSeat, CoordinatorView } from "@hearthmesh/collective";
import type { NodeId } from "@hearthmesh/core";
import type { Fact, Monitor, Remedy } from "@hearthmesh/healing";
import type { NodeModels } from "../../ai/model-sources.js";
import type { Config } from "../../config/config.js";
import type { NodeRecord } from "../../home.js";
import type { MemberGround } from "../../member-authority.js";
import type { MeshPart } from "../../mesh/mesh-part.js";
import type { StoragePart } from "../../storage-part.js";
import { probeStore } from "../../store-probe.js";
import type { Tools } from "../../tools.js";
import type { HealingList } from "../healing-list.js";
import type { LoopMeter } from "../mesh/loop-readings.js";
import type { PeerWatch } from "../mesh/peer-watch.js";
import { corruptionFacts } from "./corruption-monitor.js";
import { evacuateDisk } from "./evacuate-disk.js";
import { HomeDiskMonitor } from "./home-disk.js";
import { layoutFacts } from "./layout-monitor.js";
import { LeadChanges } from "./lead-changes.js";
import { leaderFacts, notLeadingFacts, RecentMost } from "./leader-monitor.js";
import { type LeadingMember, leadingMember } from "./leading-member.js";
import { type LeftNodes, withoutLeft } from "./left-nodes.js";
import { quarantineNode } from "./quarantine-node.js";
import { rePlanPool } from "./re-plan-pool.js";
import { reReplicate } from "./re-replicate.js";
import { rebalance } from "./rebalance.js";
import { reopenStore } from "./reopen-store.js";
import { replaceStoreMember } from "./replace-store-member.js";
import { replicaFacts } from "./replicas-monitor.js";
import { RingsMonitor } from "./rings-monitor.js";
import { shedDisk } from "./shed-disk.js";
import { stepDown } from "./step-down.js";
import { StorageDisksMonitor } from "./storage-disks-monitor.js";
import { StoreMembersMonitor } from "./store-members-monitor.js";
import { StoreProbeMonitor } from "./store-probe-monitor.js";

export interface MemberHealingDeps extends Tools {
  readonly config: Config;
  readonly record: NodeRecord;
  /** On a coordinator: store, authority, leadership; and the seat of the one that leads. */
  readonly coordinator:
    | { readonly ground: MemberGround; readonly seat: CoordinatorSeat }
    | undefined;
  /** Undefined while the mesh is off. */
  readonly mesh: MeshPart | undefined;
  readonly models: NodeModels["sources"] | undefined;
  /** Undefined on a node without the role. */
  readonly storage: StoragePart | undefined;
  /** How late timers fire on this node. */
  readonly meter: LoopMeter;
  /** What this node has seen of the others; undefined while the mesh is off. */
  readonly peerWatch: PeerWatch | undefined;
}

export function memberHealing(deps: MemberHealingDeps): HealingList {
  const { coordinator, clock, log, peerWatch } = deps;
  const member = coordinator && leadingMember({ ...coordinator, clock, log });
  const lists = [homeHealing(deps, member), ringHealing(deps)];
  if (coordinator !== undefined && member !== undefined) {
    const { ground } = coordinator;
    const shared: Shared = { deps, member, ground, here: () => coordinatorsHere(deps, ground) };
    const left = () => new Set<string>(peerWatch?.leftNow());
    lists.push(leaderHealing(member, left), storeHealing(shared));
  }
  return {
    monitors: lists.flatMap(({ monitors }) => monitors),
    remedies: lists.flatMap(({ remedies }) => remedies),
  };
}

interface Shared {
  readonly deps: MemberHealingDeps;
  readonly member: LeadingMember;
  readonly ground: MemberGround;
  /** Other coordinators that are there now. */
  here(): readonly string[];
}

/** The disk under the home of this node. */
function homeHealing(deps: MemberHealingDeps, member: LeadingMember | undefined): HealingList {
  const { config, record, storage, clock } = deps;
  const { nodeId, name: nodeName } = record;
  const chunks = storage?.chunkStore;
  const monitor = new HomeDiskMonitor({
    ...{ clock, nodeId, nodeName },
    space: async () => {
      const { bavail, blocks, bsize } = await statfs(config.home);
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
    },
    onRoom: () => chunks?.refuse(undefined),
  });
  const { home } = config;
  return { monitors: [monitor], remedies: [shedDisk({ home, nodeId, nodeName, chunks, member })] };
}

/** Chunks and who keeps them. */
export function leaderHealing(member: LeadingMember, left: LeftNodes): HealingList {
  const disks = new StorageDisksMonitor(member);
  return {
    monitors: [
      viewMonitor("replicas", member, (view) => withoutLeft(replicaFacts(view), left)),
      viewMonitor("layout", member, (view) => withoutLeft(layoutFacts(view), left)),
      viewMonitor("corruption", member, (view) => withoutLeft(corruptionFacts(view), left)),
      { name: disks.name, look: async () => withoutLeft(await disks.look(), left) },
    ],
    remedies: [
      reReplicate(member),
      rebalance(member),
      evacuateDisk(member),
      quarantineNode(member),
    ],
  };
}

/** The store, the members of its cluster, and who leads. */
function storeHealing({ deps, member, ground, here }: Shared): HealingList {
  const { clock, record, config, meter } = deps;
  const { memberStore, leadership, store } = ground;
  const { nodeId, name: nodeName } = record;
  // A key of its own: readiness sets and deletes another at any moment.
  const probe = () => probeStore(store, `${nodeId}/healing`);
  const probes = new StoreProbeMonitor({ clock, probe });
  const self = { nodeId, nodeName };
  const lags = new RecentMost();
  const counts = new RecentMost();
  const leaderLook = (): Fact[] => {
    const nowMs = clock.monotonicMs();
    // Looked at in any case, so that it is known from the first moment of leading.
    const others = counts.add(here().length, nowMs) ?? 0;
    const lagMs = lags.add(meter.window()?.lagMaxMs, nowMs);
    if (member.view() === undefined) return notLeadingFacts(leadership.state, self);
    return leaderFacts({ ...self, storeMs: probes.latencyMs, lagMs, others });
  };
  const monitors: Monitor[] = [
    probes,
    { name: "leader", look: async () => leaderLook() },
    leadMonitor(deps, ground),
  ];
  const { leaseTimeMs, memberLostMs } = config.store;
  const remedies: Remedy[] = [
    reopenStore({
      memberStore,
      clock,
      // Beside the monitor's own, which is set and deleted meanwhile.
      probe: (name) => probeStore(store, `${nodeId}/reopening-${name}`),
    }),
    stepDown({ member, leadership, nodeId, leaseTimeMs, coordinatorsHere: here }),
  ];
  const { source } = memberStore;
  if (source.mode === "supervised") {
    const { supervisor } = source;
    const status = () => (member.view() === undefined ? undefined : supervisor.status());
    monitors.push(new StoreMembersMonitor({ clock, status }));
    const replace = { member, supervisor, memberLostMs, coordinatorsHere: here };
    remedies.push(replaceStoreMember(replace));
  }
  return { monitors, remedies };
}

/** Who led before. */
function leadMonitor(
  { mesh, record: { nodeId }, clock }: MemberHealingDeps,
  { leadership }: Pick<MemberGround, "leadership">,
): Monitor {
  const peerState = (id: string) => mesh?.parts.swim.peer(id as NodeId)?.state;
  const changes = new LeadChanges({ nodeId, peerState });
  const see = () => changes.see(leadership.state, clock.monotonicMs());
  return {
    name: "lead",
    watch: (wake) =>
      leadership.onChange(() => {
        see();
        wake();
      }),
    look: async () => {
      see();
      return changes.facts(leadership.state, clock.monotonicMs());
    },
  };
}

/** Rings that this node leads. Looking loads nothing. */
function ringHealing({ models, mesh, record, clock }: MemberHealingDeps): HealingList {
  if (models === undefined || mesh === undefined) return { monitors: [], remedies: [] };
  const { upkeep } = models;
  const selfId = record.nodeId;
  const peers = () => mesh.parts.swim.peers();
  return {
    monitors: [new RingsMonitor({ rings: () => upkeep.rings(), peers, selfId })],
    remedies: [rePlanPool({ upkeep, peers, selfId, clock })],
  };
}

/** Says nothing while another coordinator leads. */
function viewMonitor(
  name: string,
  member: LeadingMember,
  facts: (view: CoordinatorView) => readonly Fact[],
): Monitor {
  return {
    name,
    look: async () => {
      const view = member.view();
      return view === undefined ? [] : facts(view);
    },
  };
}

/** By membership; without a mesh nobody can say that one is there. */
function coordinatorsHere({ mesh, record }: MemberHealingDeps, { authority }: MemberGround) {
  const ids = authority.coordinators.list().map(({ nodeId }) => nodeId);
  return ids.filter((nodeId) => {
    const state = mesh?.parts.swim.peer(nodeId)?.state;
    return nodeId !== record.nodeId && (state === "alive" || state === "suspect");
  });
}
