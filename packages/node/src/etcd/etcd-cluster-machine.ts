/**
 * What this node does about its etcd: start it alone, start it with the data that is there, join
 * the cluster, count in its votes, stand by, or take out a member that will not come back. Pure:
 * the supervisor looks at the cluster every few seconds and performs the one step that comes back.
 *
 * Events: `look` (what was seen), `done` (the step that was asked for has ended, well or not).
 *
 * Phases: `starting` until etcd runs; `waiting` for a coordinator that answers; `joining` as a
 * learner; `learning` (a full copy without a vote); `voting`; `standing by` (others vote, this node
 * uses them); `no majority`; `data lost` (this node's data is gone and nobody can replace it);
 * `foreign` (another cluster answers where this node's should be); `removed` by the operator.
 *
 * Invariants, which the property tests hold it to:
 * - One step at a time: no second one before `done`, and a pause between changes of the cluster.
 * - Nobody is added while there is a learner (etcd 3.4 has one at most), nor above `votersMax`.
 * - A member that answers is never removed, unless the operator removed its node.
 * - After a removal, those that answer are a majority of those that remain.
 * - Others are removed by one node alone: the leader's, or else the reachable voter that is first.
 * - An even number of voters is made only on the way to the next odd one: 1 voter + 1 learner stay
 *   as they are until a third coordinator comes.
 *
 * Errors: none; a look that is wrong leads to a step that etcd refuses, and to another look.
 *
 * Source: etcd's own advice on runtime reconfiguration and learners
 * (https://etcd.io/docs/v3.4/op-guide/runtime-configuration/, .../learning/design-learner/).
 */
import {
  CHANGE_PAUSE_MS,
  CLUSTER_LOOK_MS,
  MAJORITY_LOST_MS,
  MEMBER_LOST_MS,
  REMOVED_CONFIRM_MS,
} from "./limits.js";

/** A member as the leader lists it. */
export interface SeenMember {
  /** Hexadecimal. */
  id: string;
  /** Undefined for one that was added and has never started. */
  nodeId: string | undefined;
  isLearner: boolean;
  peerUrls: readonly string[];
  /** It answered, and knows a leader. */
  isReachable: boolean;
}

export interface SeenCluster {
  clusterId: string;
  leaderId: string;
  members: readonly SeenMember[];
}

/** What the supervisor saw at one moment. */
export interface Look {
  /** Undefined when no member that knows a leader answered. */
  cluster: SeenCluster | undefined;
  /** Another coordinator's etcd answers, and belongs to another cluster than this node's data. */
  isForeign: boolean;
  own: {
    peerUrls: readonly string[];
    hasData: boolean;
    running: boolean;
    /** As recorded when it last ran; undefined when it never did. */
    memberId: string | undefined;
  };
  /** Other coordinators of this member that the mesh can reach now. */
  aliveNodeIds: readonly string[];
  /** Coordinators are known, reachable or not: then this node must not begin a store of its own. */
  knowsOthers: boolean;
  /** Nodes that the operator removed. */
  removedNodeIds: ReadonlySet<string>;
}

export type ClusterEvent = { type: "look"; look: Look } | { type: "done" };

export type ClusterStep =
  | { type: "create" }
  | { type: "start" }
  /** Add this node as a learner, then start etcd as one. */
  | { type: "join" }
  /** It was added already: start etcd as a learner. */
  | { type: "startJoining" }
  | { type: "promoteSelf"; memberId: string }
  | { type: "updateSelf"; memberId: string }
  | { type: "remove"; memberId: string; reason: "node removed" | "lost" | "data lost" }
  /** The cluster has removed this node: stop etcd and put its data aside. */
  | { type: "setAside" };

export type ClusterPhase =
  | "starting"
  | "waiting"
  | "joining"
  | "learning"
  | "voting"
  | "standing by"
  | "no majority"
  | "data lost"
  | "foreign"
  | "removed";

export interface ClusterMachineOptions {
  nodeId: string;
  votersMax: number;
  /** This node made the member, so it may begin its store. */
  mayCreate: boolean;
  lostMs?: number;
  removedConfirmMs?: number;
  pauseMs?: number;
}

/** Time between two looks that counts at most: a process that stood still has seen nothing. */
const LOOK_GAP_MS_MAX = 3 * CLUSTER_LOOK_MS;

export class EtcdClusterMachine {
  readonly #options: Required<ClusterMachineOptions>;
  readonly #unreachableMs = new Map<string, number>();
  #phase: ClusterPhase = "starting";
  #isBusy = false;
  #changedAtMs = Number.NEGATIVE_INFINITY;
  #lookedAtMs: number | undefined;
  #goneMs = 0;
  #leaderlessMs = 0;

  constructor(options: ClusterMachineOptions) {
    this.#options = {
      lostMs: MEMBER_LOST_MS,
      removedConfirmMs: REMOVED_CONFIRM_MS,
      pauseMs: CHANGE_PAUSE_MS,
      ...options,
    };
  }

  get phase(): ClusterPhase {
    return this.#phase;
  }

  /** The next step, or undefined when all is well, something is awaited, or one is under way. */
  step(event: ClusterEvent, nowMs: number): ClusterStep | undefined {
    if (event.type === "done") {
      this.#isBusy = false;
      this.#changedAtMs = nowMs;
      return undefined;
    }
    this.#count(event.look, nowMs);
    if (this.#isBusy) return undefined;
    const step = this.#decide(event.look);
    if (step === undefined || (isChange(step) && this.#isTooSoon(nowMs))) return undefined;
    this.#isBusy = true;
    return step;
  }

  #isTooSoon(nowMs: number): boolean {
    return nowMs - this.#changedAtMs < this.#options.pauseMs;
  }

  /** Adds the time since the last look to what was already so then. */
  #count({ cluster, own }: Look, nowMs: number): void {
    const gapMs = Math.min(nowMs - (this.#lookedAtMs ?? nowMs), LOOK_GAP_MS_MAX);
    this.#lookedAtMs = nowMs;
    this.#leaderlessMs = cluster === undefined ? this.#leaderlessMs + gapMs : 0;
    if (cluster === undefined) return;
    const isGone = own.hasData && this.#self(cluster, own) === undefined;
    this.#goneMs = isGone ? this.#goneMs + gapMs : 0;
    const known = new Set(cluster.members.map(({ id }) => id));
    for (const id of this.#unreachableMs.keys()) if (!known.has(id)) this.#unreachableMs.delete(id);
    for (const { id, isReachable } of cluster.members) {
      const beforeMs = this.#unreachableMs.get(id);
      if (isReachable) this.#unreachableMs.delete(id);
      else this.#unreachableMs.set(id, beforeMs === undefined ? 0 : beforeMs + gapMs);
    }
  }

  #decide(look: Look): ClusterStep | undefined {
    const { cluster, own, removedNodeIds } = look;
    if (removedNodeIds.has(this.#options.nodeId)) return this.#asRemoved(own);
    if (look.isForeign) return this.#rest("foreign");
    if (cluster === undefined) return this.#withoutCluster(look);
    const self = this.#self(cluster, own);
    if (self === undefined) return this.#asOutsider(look, cluster);
    return this.#asMember(look, cluster, self);
  }

  /** The others take it out; then its etcd has nothing to do any more. */
  #asRemoved({ running }: Look["own"]): ClusterStep | undefined {
    const isOut = running && this.#goneMs >= this.#options.removedConfirmMs;
    return isOut ? this.#go("removed", { type: "setAside" }) : this.#rest("removed");
  }

  #withoutCluster({ own, knowsOthers }: Look): ClusterStep | undefined {
    if (own.running) {
      const isLost = this.#leaderlessMs >= MAJORITY_LOST_MS;
      return this.#rest(isLost ? "no majority" : this.#phase);
    }
    if (own.hasData) return this.#go("starting", { type: "start" });
    if (own.memberId !== undefined) return this.#rest("data lost");
    if (this.#options.mayCreate && !knowsOthers) return this.#go("starting", { type: "create" });
    return this.#rest("waiting");
  }

  /** The cluster does not list this node. */
  #asOutsider({ own }: Look, cluster: SeenCluster): ClusterStep | undefined {
    if (own.hasData) {
      if (this.#goneMs < this.#options.removedConfirmMs) return undefined;
      return this.#go("joining", { type: "setAside" });
    }
    if (cluster.members.some(({ isLearner }) => isLearner)) return this.#rest("standing by");
    if (votersOf(cluster).length >= this.#options.votersMax) return this.#rest("standing by");
    return this.#go("joining", { type: "join" });
  }

  #asMember(look: Look, cluster: SeenCluster, self: SeenMember): ClusterStep | undefined {
    const { own } = look;
    if (!own.hasData) return this.#withoutData(cluster, self);
    if (own.memberId !== undefined && own.memberId !== self.id) {
      // Data of an earlier membership of this node, such as from a backup.
      return this.#go("joining", { type: "setAside" });
    }
    if (!own.running) return this.#go("starting", { type: "start" });
    this.#phase = self.isLearner ? "learning" : "voting";
    if (self.isLearner && this.#shouldVote(look, cluster)) {
      return { type: "promoteSelf", memberId: self.id };
    }
    if (!isSame(self.peerUrls, own.peerUrls)) return { type: "updateSelf", memberId: self.id };
    if (this.#keeper(look, cluster) !== self.id) return undefined;
    return this.#removal(look, cluster, self);
  }

  #withoutData(cluster: SeenCluster, self: SeenMember): ClusterStep | undefined {
    if (self.nodeId === undefined) return this.#go("joining", { type: "startJoining" });
    if (!isSafeWithout(cluster, self)) return this.#rest("data lost");
    return this.#go("joining", { type: "remove", memberId: self.id, reason: "data lost" });
  }

  #shouldVote(look: Look, cluster: SeenCluster): boolean {
    const voters = votersOf(cluster).length;
    if (voters >= this.#options.votersMax) return false;
    if (voters % 2 === 0) return true;
    return this.#waiting(look, cluster) > 0 && voters + 2 <= this.#options.votersMax;
  }

  /** Coordinators that are there and in no way members. */
  #waiting({ aliveNodeIds, removedNodeIds }: Look, { members }: SeenCluster): number {
    const listed = new Set(members.map(({ nodeId }) => nodeId));
    return aliveNodeIds.filter((id) => !listed.has(id) && !removedNodeIds.has(id)).length;
  }

  /** The one member that removes others. */
  #keeper({ removedNodeIds }: Look, cluster: SeenCluster): string | undefined {
    const able = votersOf(cluster).filter(
      ({ nodeId, isReachable }) => isReachable && !removedNodeIds.has(nodeId ?? ""),
    );
    const leader = able.find(({ id }) => id === cluster.leaderId);
    return leader?.id ?? able.map(({ id }) => id).sort()[0];
  }

  #removal(look: Look, cluster: SeenCluster, self: SeenMember): ClusterStep | undefined {
    const others = cluster.members.filter(({ id }) => id !== self.id);
    const removed = others.find(({ nodeId }) => look.removedNodeIds.has(nodeId ?? ""));
    if (removed !== undefined && isSafeWithout(cluster, removed)) {
      return { type: "remove", memberId: removed.id, reason: "node removed" };
    }
    const isLost = ({ id }: SeenMember) =>
      (this.#unreachableMs.get(id) ?? 0) >= this.#options.lostMs;
    const lost = others.filter((member) => !member.isReachable && isLost(member));
    // A lost learner only keeps others from joining; a lost voter goes when another replaces it.
    const isReplaceable =
      this.#waiting(look, cluster) > 0 ||
      others.some(({ isLearner, isReachable }) => isLearner && isReachable);
    const victim = lost.find(({ isLearner }) => isLearner) ?? (isReplaceable ? lost[0] : undefined);
    if (victim === undefined || !isSafeWithout(cluster, victim)) return undefined;
    return { type: "remove", memberId: victim.id, reason: "lost" };
  }

  #self({ members }: SeenCluster, { peerUrls }: Look["own"]): SeenMember | undefined {
    const byName = members.find(({ nodeId }) => nodeId === this.#options.nodeId);
    const isOwnUrl = (url: string) => peerUrls.includes(url);
    return (
      byName ??
      members.find((member) => member.nodeId === undefined && member.peerUrls.some(isOwnUrl))
    );
  }

  #rest(phase: ClusterPhase): undefined {
    this.#phase = phase;
    return undefined;
  }

  #go(phase: ClusterPhase, step: ClusterStep): ClusterStep {
    this.#phase = phase;
    return step;
  }
}

/** It changes who is in the cluster, so the next look must see it before the next change. */
function isChange({ type }: ClusterStep): boolean {
  return ["join", "promoteSelf", "updateSelf", "remove"].includes(type);
}

function votersOf({ members }: SeenCluster): SeenMember[] {
  return members.filter(({ isLearner }) => !isLearner);
}

/** Those that answer are a majority now, to agree on it, and of the voters that remain. */
export function isSafeWithout(cluster: SeenCluster, member: SeenMember): boolean {
  if (member.isLearner) return true;
  const voters = votersOf(cluster);
  const remaining = voters.filter(({ id }) => id !== member.id);
  const answering = (list: readonly SeenMember[]) =>
    list.filter(({ isReachable }) => isReachable).length;
  return answering(voters) > voters.length / 2 && answering(remaining) > remaining.length / 2;
}

function isSame(left: readonly string[], right: readonly string[]): boolean {
  return [...left].sort().join(" ") === [...right].sort().join(" ");
}
