/**
 * Who leads the member's coordinators. `Election` of the store decides it where there are several;
 * a coordinator on an embedded store is alone and leads from its start to its end.
 */
import { MeshError, type NodeId } from "@hearthmesh/core";
import type { Store } from "@hearthmesh/store";

/** A coordinator that leads, as the others see it. */
export interface Leader {
  readonly nodeId: NodeId;
  readonly epoch: number;
  /** What it said of itself when it stood for election. */
  readonly data: LeaderData;
}

export interface LeaderData {
  readonly name: string;
  /** `host:port`, best first. */
  readonly linkAddresses: readonly string[];
  readonly apiAddresses: readonly string[];
}

export interface LeadershipState {
  readonly role: "leader" | "follower";
  /** The greatest that is known. */
  readonly epoch: number;
  /** Undefined while nobody leads, as far as is known. */
  readonly leader?: Leader | undefined;
}

export interface Leadership {
  readonly state: LeadershipState;
  /** Called after every change; returns how to stop. */
  onChange(listener: () => void): () => void;
  /**
   * Throws `MESH_NOT_LEADER`, with the leader when it is known, unless this one leads right now.
   */
  requireLeading(): void;
  /** The store for what only the leader may write: its writes fail once another one leads. */
  fence(store: Store): Store;
}

/** Of a coordinator that is alone. */
export function soleLeadership(leader: Leader): Leadership {
  return {
    state: { role: "leader", epoch: leader.epoch, leader },
    onChange: () => () => undefined,
    requireLeading: () => undefined,
    fence: (store) => store,
  };
}

/** `MESH_NOT_LEADER` that tells the caller whom to ask. */
export function notLeading({ leader }: LeadershipState): MeshError {
  if (leader === undefined) {
    return new MeshError("MESH_NOT_LEADER", {
      message: "no coordinator leads at this moment",
      hint: "An election takes seconds: try again. `mesh store members` shows what is missing.",
    });
  }
  const { nodeId, epoch, data } = leader;
  return new MeshError("MESH_NOT_LEADER", {
    message: `${data.name} leads the coordinators, not this one`,
    details: { leader: { nodeId, epoch, ...data } },
  });
}

/** The leader that an error names; undefined when it names none that can be read. */
export function leaderNamedBy(error: MeshError): Leader | undefined {
  const named = error.details?.leader as Record<string, unknown> | undefined;
  if (error.code !== "MESH_NOT_LEADER" || named === null || typeof named !== "object") {
    return undefined;
  }
  const { nodeId, epoch, name, linkAddresses, apiAddresses } = named;
  const areTexts = (value: unknown): value is string[] =>
    Array.isArray(value) && value.length <= 64 && value.every((one) => typeof one === "string");
  if (typeof nodeId !== "string" || typeof epoch !== "number" || typeof name !== "string") {
    return undefined;
  }
  if (!areTexts(linkAddresses) || !areTexts(apiAddresses)) return undefined;
  return { nodeId: nodeId as NodeId, epoch, data: { name, linkAddresses, apiAddresses } };
}
