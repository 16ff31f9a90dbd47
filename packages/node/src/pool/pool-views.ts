/** Pools as other parts and people see them: what was agreed, with what the mesh says of nodes. */
import type { Clock, NodeId } from "@hearthmesh/core";
import type {
  PoolView as PoolContract,
  PoolMemberView as PoolMemberContract,
} from "@hearthmesh/gateway/contracts";
import { formatEndpoint } from "@hearthmesh/identity";
import type { MeshLinks, PeerDirectory } from "@hearthmesh/membership";
import {
  type PoolMemberView,
  type PoolView,
  type RingAgreement,
  ringOf,
} from "@hearthmesh/pool/membership";
import { endpointOf } from "./places.js";

export interface PoolSight {
  readonly self: NodeId;
  /** Where the links of this node are, best first. */
  ownAddresses(): readonly string[];
  readonly peers: Pick<PeerDirectory, "peer">;
  readonly links: Pick<MeshLinks, "openLinks">;
  readonly clock: Clock;
}

export class PoolViews {
  readonly #sight: PoolSight;
  /** Wall clock, of nodes that are in a pool. */
  readonly #seenMs = new Map<NodeId, number>();

  constructor(sight: PoolSight) {
    this.#sight = sight;
  }

  /** Heard of it just now. */
  saw(nodeId: NodeId): void {
    this.#seenMs.set(nodeId, this.#sight.clock.nowMs());
  }

  /** Whoever membership knows to be alive was seen. Others than these are forgotten. */
  look(agreements: readonly RingAgreement[]): void {
    const members = agreements.flatMap(({ roster }) => roster?.members ?? []);
    const ids = new Set(members.map(({ nodeId }) => nodeId));
    for (const nodeId of ids) if (this.#isOnline(nodeId)) this.saw(nodeId);
    for (const nodeId of this.#seenMs.keys()) if (!ids.has(nodeId)) this.#seenMs.delete(nodeId);
  }

  viewOf(agreement: RingAgreement): PoolView | undefined {
    const { roster } = agreement;
    if (roster === undefined) return undefined;
    const { epoch, places } = ringOf(agreement);
    const { self } = this.#sight;
    const members = places.map(({ endpoints, ...place }): PoolMemberView => {
      const { nodeId } = place;
      const isSelf = nodeId === self;
      return {
        ...place,
        lanAddress: this.#addressOf(nodeId, endpoints),
        isSelf,
        status: isSelf || this.#isOnline(nodeId) ? "online" : "offline",
        lastSeenMs: isSelf ? this.#sight.clock.nowMs() : this.#seenMs.get(nodeId),
      };
    });
    const { poolId, name, networkId } = roster;
    return { poolId, name, networkId, rootPublicKey: agreement.root, epoch, members };
  }

  #isOnline(nodeId: NodeId): boolean {
    const state = this.#sight.peers.peer(nodeId)?.state;
    return state === "alive" || state === "suspect";
  }

  /** Where it is reached now, else where it says to be. */
  #addressOf(nodeId: NodeId, said: readonly string[]): string | undefined {
    const { self, ownAddresses, peers, links } = this.#sight;
    if (nodeId === self) return ownAddresses()[0];
    const told = peers.peer(nodeId)?.linkAddresses[0] ?? said[0];
    const direct = links
      .openLinks()
      .find(({ kind, link }) => kind === "direct" && link.peer.nodeId === nodeId);
    const port = told === undefined ? undefined : endpointOf(told)?.port;
    const remote = direct && endpointOf(direct.link.peer.remoteAddress);
    if (remote === undefined || port === undefined) return told;
    return formatEndpoint({ host: remote.host.replace(/^::ffff:/, ""), port });
  }
}

/** As the API has it. */
export function poolContract(pool: PoolView): PoolContract {
  return { ...pool, members: pool.members.map(memberContract) };
}

function memberContract({ lastSeenMs, lanAddress, ...member }: PoolMemberView): PoolMemberContract {
  return {
    ...member,
    columns: { ...member.columns },
    lanAddress: lanAddress ?? null,
    lastSeen: lastSeenMs === undefined ? null : new Date(lastSeenMs).toISOString(),
  };
}
