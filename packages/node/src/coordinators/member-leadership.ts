/** Who leads the coordinators of this member: this one alone, or whoever the election says. */

import type { LeaderData, LeadershipState } from "@hearthmesh/collective";
import { type Leader, type Leadership, notLeading, soleLeadership } from "@hearthmesh/collective";
import { errorFields, type Logger, MeshError, type NodeId, type Startable } from "@hearthmesh/core";
import { Election, raiseEpoch, type Store } from "@hearthmesh/store";
import { RESTORE_EPOCH_LEAP } from "../etcd/limits.js";
import type { Tools } from "../tools.js";

export interface MemberLeadership extends Startable, Leadership {
  /** The membership says that the node is dead: when it leads, another may take over at once. */
  suspect(nodeId: NodeId): void;
  /**
   * Nodes remember this epoch, and the records do not: begins anew under one that is higher. What
   * cannot be done is logged, and tried again when a node says so again.
   */
  leapAbove(epoch: number): void;
  /** Lets another coordinator lead, and stands again after this time. Alone it goes on leading. */
  stepDown(forMs: number): void;
}

/**
 * On an embedded store. Every start is a new leader: orders and tickets of an earlier one are
 * refused by the nodes from then on.
 */
export async function loneLeadership(
  store: Store,
  nodeId: NodeId,
  data: LeaderData,
  log: Logger,
): Promise<MemberLeadership> {
  const epoch = await raiseEpoch(store);
  if (epoch === undefined) {
    throw new MeshError("MESH_HOME_IN_USE", { message: "another coordinator took the lead" });
  }
  return new LoneLeadership(store, { nodeId, epoch, data }, log);
}

class LoneLeadership implements MemberLeadership {
  readonly name = "leadership";
  readonly #store: Store;
  readonly #log: Logger;
  readonly #listeners = new Set<() => void>();
  #sole: Leadership;
  #leader: Leader;

  constructor(store: Store, leader: Leader, log: Logger) {
    this.#store = store;
    this.#leader = leader;
    this.#log = log;
    this.#sole = soleLeadership(leader);
  }

  async start(): Promise<void> {}
  async stop(): Promise<void> {}
  suspect(): void {}
  stepDown(): void {}
  requireLeading(): void {}

  get state(): LeadershipState {
    return this.#sole.state;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  fence(store: Store): Store {
    return this.#sole.fence(store);
  }

  leapAbove(epoch: number): void {
    this.#leap(epoch).catch((error: unknown) =>
      this.#log.error("the epoch could not be raised", errorFields(error)),
    );
  }

  async #leap(seen: number): Promise<void> {
    const by = Math.max(0, seen - this.#leader.epoch) + RESTORE_EPOCH_LEAP;
    const epoch = await raiseEpoch(this.#store, by);
    if (epoch === undefined) return;
    this.#leader = { ...this.#leader, epoch };
    this.#sole = soleLeadership(this.#leader);
    for (const listener of this.#listeners) listener();
  }
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
  readonly #options: Pick<ElectedLeadershipOptions, "store" | "log">;

  constructor({ data, ...options }: ElectedLeadershipOptions) {
    this.#options = options;
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

  stepDown(forMs: number): void {
    this.#election.resign(forMs);
  }

  /** Whoever is elected next has it; nodes refuse this one until then. */
  leapAbove(epoch: number): void {
    const { store, log } = this.#options;
    const by = Math.max(0, epoch - this.#election.state.epoch) + RESTORE_EPOCH_LEAP;
    raiseEpoch(store, by)
      .then(() => log.error("the records in etcd went back: restart the coordinators"))
      .catch((error: unknown) => log.error("the epoch could not be raised", errorFields(error)));
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
