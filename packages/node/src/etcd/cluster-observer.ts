/**
 * Looks at the cluster: asks every known address for its status, and the leader for the members.
 * What the leader lists counts; a deposed leader may list old members for one election timeout,
 * which the machine's patience covers.
 */
import { errorFields, type Logger, silentLogger } from "@hearthmesh/core";
import type { EtcdAdmin, EtcdEndpointStatus, EtcdMember } from "@hearthmesh/store";
import type { SeenCluster } from "./etcd-cluster-machine.js";
import { CLUSTER_ADDRESSES_MAX } from "./limits.js";

export interface Observation {
  /** One for each member that answered, of the cluster that this node belongs or may belong to. */
  statuses: readonly EtcdEndpointStatus[];
  /** As the leader lists them; empty when there is no leader. */
  members: readonly EtcdMember[];
  /** Undefined when no member that knows a leader answered. */
  cluster: SeenCluster | undefined;
  /** Members of another cluster answered too. */
  isForeign: boolean;
}

export const NOTHING_SEEN: Observation = {
  statuses: [],
  members: [],
  cluster: undefined,
  isForeign: false,
};

type Admin = Pick<EtcdAdmin, "statusOf" | "memberList" | "setEndpoints">;

export class ClusterObserver {
  readonly #admin: Admin;
  readonly #log: Logger;

  constructor(admin: Admin, log: Logger = silentLogger) {
    this.#admin = admin;
    this.#log = log;
  }

  /**
   * `own`: this node's etcd, and the cluster that its data belongs to as far as is written down;
   * what it says itself counts more.
   */
  async look(
    addresses: readonly string[],
    own: { endpoint?: string; clusterId?: string | undefined } = {},
  ): Promise<Observation> {
    const asked = [...new Set(addresses)].slice(0, CLUSTER_ADDRESSES_MAX);
    const found = await this.#statusesOf(asked);
    const itself = found.find(({ endpoint }) => endpoint === own.endpoint);
    const { statuses, isForeign } = ofOneCluster(found, itself?.clusterId ?? own.clusterId);
    const leader = statuses.find(({ memberId, leaderId }) => memberId === leaderId);
    const voice = leader ?? statuses.find(({ leaderId, isLearner }) => leaderId && !isLearner);
    if (voice === undefined) return { ...NOTHING_SEEN, statuses, isForeign };
    const members = await this.#membersBy(voice.endpoint);
    if (members === undefined) return { ...NOTHING_SEEN, statuses, isForeign };
    // A member that is listed for the first time was not asked yet, and is not silent.
    const silent = members.filter(({ id }) => !statuses.some(({ memberId }) => memberId === id));
    const untold = silent.flatMap(({ clientUrls }) => clientUrls);
    const further = untold.filter((url) => !asked.includes(url));
    const late = await this.#statusesOf(further.slice(0, CLUSTER_ADDRESSES_MAX));
    const all = ofOneCluster([...statuses, ...late], voice.clusterId).statuses;
    return { statuses: all, members, isForeign, cluster: seenCluster(all, members, voice) };
  }

  async #statusesOf(addresses: readonly string[]): Promise<EtcdEndpointStatus[]> {
    const answers = await Promise.all(addresses.map((address) => this.#statusOf(address)));
    return answers.filter((answer) => answer !== undefined);
  }

  async #statusOf(address: string): Promise<EtcdEndpointStatus | undefined> {
    try {
      return await this.#admin.statusOf(address);
    } catch (error) {
      this.#log.debug("no answer from a member of the store", {
        peerAddress: address,
        ...errorFields(error),
      });
      return undefined;
    }
  }

  async #membersBy(endpoint: string): Promise<readonly EtcdMember[] | undefined> {
    try {
      this.#admin.setEndpoints([endpoint]);
      return await this.#admin.memberList();
    } catch (error) {
      this.#log.debug("the members of the store are not known", errorFields(error));
      return undefined;
    }
  }
}

/** `<node name>.<node id>`: who a member of the cluster is. */
export function memberName(nodeName: string, nodeId: string): string {
  return `${nodeName}.${nodeId}`;
}

/** The two parts of a member's name; undefined for one that has not started yet. */
export function parseMemberName(name: string): { nodeName: string; nodeId: string } | undefined {
  const dot = name.lastIndexOf(".");
  if (dot <= 0 || dot === name.length - 1) return undefined;
  return { nodeName: name.slice(0, dot), nodeId: name.slice(dot + 1) };
}

/**
 * The answers of this node's cluster, each member once, and whether there were others. Without data
 * of its own, a node that sees two clusters takes neither.
 */
function ofOneCluster(
  answers: readonly EtcdEndpointStatus[],
  ownClusterId: string | undefined,
): { statuses: EtcdEndpointStatus[]; isForeign: boolean } {
  const ids = new Set(answers.map(({ clusterId }) => clusterId));
  const [only] = ids;
  const wanted = ownClusterId ?? (ids.size === 1 ? only : undefined);
  const statuses = new Map<string, EtcdEndpointStatus>();
  for (const answer of answers) {
    // The first address of a member is the best one; later ones lead to the same process.
    if (answer.clusterId === wanted && !statuses.has(answer.memberId)) {
      statuses.set(answer.memberId, answer);
    }
  }
  const isForeign = answers.some(({ clusterId }) => clusterId !== wanted);
  return { statuses: [...statuses.values()], isForeign };
}

function seenCluster(
  statuses: readonly EtcdEndpointStatus[],
  members: readonly EtcdMember[],
  { clusterId, leaderId = "" }: EtcdEndpointStatus,
): SeenCluster {
  const healthy = new Set(
    statuses.filter((status) => status.leaderId !== undefined).map(({ memberId }) => memberId),
  );
  return {
    clusterId,
    leaderId,
    members: members.map(({ id, name, isLearner, peerUrls }) => ({
      id,
      nodeId: parseMemberName(name)?.nodeId,
      isLearner,
      peerUrls,
      isReachable: healthy.has(id),
    })),
  };
}
