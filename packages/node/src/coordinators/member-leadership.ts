/** Who leads the coordinators of this member: this one alone, or whoever the election says. */

import type { LeaderData, LeadershipState } from "@hearthmesh/collective";
import { type Leader, type Leadership, notLeading, soleLeadership } from "@hearthmesh/collective";
import { MeshError, type NodeId, type Startable } from "@hearthmesh/core";
import { Election, raiseEpoch, type Store } from "@hearthmesh/store";
import type { Tools } from "../tools.js";

export interface MemberLeadership extends Startable, Leadership {
  /** The membership says that the node is dead: when it leads, another may take over at once. */
  suspect(nodeId: NodeId): void;
}

/**
 * On an embedded store. Every start is a new leader: orders and tickets of an earlier one are
 * refused by the nodes from then on.
 */
export async function loneLeadership(
  store: Store,
  nodeId: NodeId,
  data: LeaderData,
): Promise<MemberLeadership> {
  const epoch = await raiseEpoch(store);
  if (epoch === undefined) {
    throw new MeshError("MESH_HOME_IN_USE", { message: "another coordinator took the lead" });
  }
  const sole = soleLeadership({ nodeId, epoch, data });
  const nothing = async () => undefined;
  return { ...sole, name: "leadership", start: nothing, stop: nothing, suspect: () => undefined };
}

export interface ElectedLeadershipOptions extends Tools {
  readonly store: Store;
  readonly nodeId: NodeId;
  /** Asked at every campaign: addresses change. */
  data(): LeaderData;
  readonly leaseTimeMs: number;
}

/** Among the coordinators that share a store. */
export class ElectedLeadership implements MemberLeadership {
  readonly name = "election";
  readonly #election: Election;

  constructor({ data, ...options }: ElectedLeadershipOptions) {
    this.#election = new Election({ ...options, candidate: data });
  }

  start(): Promise<void> {
    return this.#election.start();
  }

  stop(): Promise<void> {
    return this.#election.stop();
  }

  get state(): LeadershipState {
    const { role, epoch, leader } = this.#election.state;
    return { role, epoch, leader: leader === undefined ? undefined : readLeader(leader) };
  }

  onChange(listener: () => void): () => void {
    return this.#election.onChange(listener);
  }

  requireLeading(): void {
    if (!this.#election.isLeading()) throw notLeading(this.state);
  }

  fence(store: Store): Store {
    return this.#election.fence(store);
  }

  suspect(nodeId: NodeId): void {
    this.#election.suspect(nodeId);
  }
}

/** What a candidate said of itself was written by a coordinator, maybe of another version. */
function readLeader({ nodeId, epoch, data }: ElectedRecord): Leader {
  const { name, linkAddresses, apiAddresses } = (data ?? {}) as Partial<Record<string, unknown>>;
  const texts = (value: unknown) =>
    Array.isArray(value) ? value.filter((one): one is string => typeof one === "string") : [];
  return {
    nodeId: nodeId as NodeId,
    epoch,
    data: {
      name: typeof name === "string" ? name : nodeId,
      linkAddresses: texts(linkAddresses),
      apiAddresses: texts(apiAddresses),
    },
  };
}

interface ElectedRecord {
  readonly nodeId: string;
  readonly epoch: number;
  readonly data: unknown;
}
