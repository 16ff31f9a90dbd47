/** What the supervisor tells about the store: for people, for commands and for clients. Pure. */
import { MeshError } from "@hearthmesh/core";
import type { EtcdMember } from "@hearthmesh/store";
import type { StoreConfig } from "../config/config.js";
import { type Observation, parseMemberName } from "./cluster-observer.js";
import type { ClusterPhase } from "./etcd-cluster-machine.js";

export interface StoreMemberView {
  /** Hexadecimal. */
  id: string;
  /** The node's name; empty for one that has never started. */
  name: string;
  nodeId: string | undefined;
  role: "voter" | "learner";
  isLeader: boolean;
  health: "ok" | "unreachable" | "not started";
  /** Undefined when it did not answer. */
  version: string | undefined;
  sizeBytes: number | undefined;
  sizeInUseBytes: number | undefined;
  clientUrls: readonly string[];
  errors: readonly string[];
}

export interface SupervisorStatus {
  phase: ClusterPhase;
  /** One sentence for people, with what to do when something is wrong. */
  message: string;
  isTrouble: boolean;
  /** Of the etcd that is installed here. */
  version: string | undefined;
  running: boolean;
  crashes: number;
  /** etcd's own last errors. */
  complaints: readonly string[];
  endpoints: readonly string[];
  revision: number | undefined;
  quotaBytes: number;
  members: readonly StoreMemberView[];
}

export interface StatusInput {
  phase: ClusterPhase;
  version: string | undefined;
  process: { complaints: readonly string[]; crashes: number; running: boolean };
  seen: Observation;
  endpoints: readonly string[];
  store: Pick<StoreConfig, "quotaBytes" | "votersMax">;
}

const TROUBLE: readonly ClusterPhase[] = ["no majority", "data lost", "foreign"];
/** Crashes in a row, each soon after a start, after which etcd is said not to run. */
const CRASHES_MAX = 3;

export function supervisorStatus(input: StatusInput): SupervisorStatus {
  const { phase, version, process, seen, endpoints, store } = input;
  const revisions = seen.statuses.map(({ revision }) => revision);
  return {
    phase,
    message: phaseMessage(phase),
    isTrouble: TROUBLE.includes(phase),
    version,
    running: process.running,
    crashes: process.crashes,
    complaints: process.complaints,
    endpoints,
    revision: revisions.length === 0 ? undefined : Math.max(...revisions),
    quotaBytes: store.quotaBytes,
    members: memberViews(seen),
  };
}

const MESSAGES: Record<ClusterPhase, string> = {
  starting: "the store is starting",
  waiting:
    "no etcd of another coordinator answers: start one of them, and check that the store's port " +
    "can be reached from here",
  joining: "joining the store",
  learning:
    "this node's etcd has a copy of the store and does not vote; with a third coordinator " +
    "the store survives the loss of one",
  voting: "this node's etcd is a voting member of the store",
  "standing by": "others keep the store; this node uses them and is ready to replace one",
  "no majority":
    "the store has lost its majority: start the other coordinators again. If they are gone for " +
    "good, stop this node and restore a snapshot: mesh store restore FILE",
  "data lost":
    "the data of this node's etcd is gone and no other member can replace it: start the other " +
    "coordinators, or stop this node and restore a snapshot: mesh store restore FILE",
  foreign:
    "another coordinator runs a store that is not the one of this node, as after a restore. Stop " +
    "the node whose data is the old one and join it anew: mesh store restore --rejoin",
  removed: "the operator has removed this node from the member",
};

function phaseMessage(phase: ClusterPhase): string {
  return MESSAGES[phase];
}

/** Why the store cannot be used; undefined while it is worth to wait on. */
export function whyUnusable(status: SupervisorStatus, isLate: boolean): MeshError | undefined {
  const { crashes, complaints, phase, message } = status;
  if (crashes >= CRASHES_MAX) {
    const words = complaints.at(-1);
    return new MeshError("MESH_ETCD_FAILED", {
      message: words === undefined ? "etcd ends again and again" : `etcd does not run: ${words}`,
    });
  }
  if (!isLate && !["data lost", "foreign", "removed"].includes(phase)) return undefined;
  return new MeshError("MESH_STORE_UNAVAILABLE", { message });
}

/** Voters that answer; a learner serves no client. The own one first. */
export function clientEndpoints({ statuses, members }: Observation, own: string): string[] {
  const able = statuses.filter(({ isLearner, leaderId }) => !isLearner && leaderId !== undefined);
  const answering = new Set(able.map(({ memberId }) => memberId));
  const isOwn = able.some(({ endpoint }) => endpoint === own);
  const ownId = statuses.find(({ endpoint }) => endpoint === own)?.memberId;
  const others = members.filter(({ id }) => id !== ownId && answering.has(id));
  const reached = others.flatMap((member) => urlsThatAnswered(member, able));
  return [...(isOwn ? [own] : []), ...reached];
}

/** The address that answered, then the others of the same member. */
function urlsThatAnswered({ id, clientUrls }: EtcdMember, able: Observation["statuses"]): string[] {
  const first = able.find(({ memberId }) => memberId === id)?.endpoint;
  return [...new Set([...(first === undefined ? [] : [first]), ...clientUrls])];
}

/** By name. */
export function memberViews({ members, statuses, cluster }: Observation): StoreMemberView[] {
  const views = members.map((member): StoreMemberView => {
    const status = statuses.find(({ memberId }) => memberId === member.id);
    const named = parseMemberName(member.name);
    return {
      id: member.id,
      name: named?.nodeName ?? member.name,
      nodeId: named?.nodeId,
      role: member.isLearner ? "learner" : "voter",
      isLeader: member.id === cluster?.leaderId,
      health: status !== undefined ? "ok" : member.name === "" ? "not started" : "unreachable",
      version: status?.version,
      sizeBytes: status?.dbSizeBytes,
      sizeInUseBytes: status?.dbSizeInUseBytes,
      clientUrls: member.clientUrls,
      errors: status?.errors ?? [],
    };
  });
  return views.sort((a, b) => (a.name < b.name ? -1 : 1));
}
