/** After a partition: dials all that were lost, and exchanges views with all that are linked. */
import type { Clock, NodeId } from "@hearthmesh/core";
import type { Remedy, RemedyOutcome } from "@hearthmesh/healing";
import type { MeshPart } from "../../mesh/mesh-part.js";
import { DIAL_PATIENCE_MS } from "./limits.js";
import type { PeerWatch } from "./peer-watch.js";
import { failedSince } from "./redial.js";
import { count, seconds } from "./text.js";
import { holdsWithin } from "./waiting.js";

export interface RejoinOptions {
  readonly parts: Pick<MeshPart["parts"], "discovery" | "links" | "swim">;
  readonly peers: PeerWatch;
  readonly clock: Clock;
}

export class Rejoin implements Remedy {
  readonly name = "rejoin";
  readonly handles = ["partition"] as const;
  readonly cost = 0.1;
  readonly risk = 0;
  readonly verifyWithinMs = 10_000;
  readonly rate = { count: 6, windowMs: 600_000 };
  readonly #options: RejoinOptions;

  constructor(options: RejoinOptions) {
    this.#options = options;
  }

  describe(): string {
    return "dial all nodes that were lost, and exchange views with all that answer";
  }

  blockedBy(): string | undefined {
    return undefined;
  }

  async apply(_symptom: unknown, signal: AbortSignal): Promise<RemedyOutcome> {
    const { parts, clock } = this.#options;
    const { discovery, links, swim } = parts;
    const lost = this.#lost();
    const fromMs = clock.monotonicMs();
    // The addresses of this machine may be other ones since; hubs know where the others are.
    discovery.networkChanged();
    for (const [nodeId, linkAddresses] of lost) {
      discovery.addCandidate("snapshot", { nodeId, linkAddresses });
      discovery.redial(nodeId);
    }
    const isBack = () => [...lost.keys()].every((nodeId) => links.openLink(nodeId) !== undefined);
    await holdsWithin(isBack, DIAL_PATIENCE_MS, { clock, signal });
    const linked = links.openLinks().map(({ link }) => link);
    const exchanged = await Promise.allSettled(linked.map((link) => swim.join(link)));
    const agreed = exchanged.filter(({ status }) => status === "fulfilled").length;
    const back = [...lost.keys()].filter((nodeId) => links.openLink(nodeId) !== undefined).length;
    const answered =
      back === 0 ? `: none answered within ${seconds(DIAL_PATIENCE_MS)}` : `: ${back} answered`;
    const views = agreed === 0 ? "" : `, and exchanged views with ${count(agreed, "node")}`;
    const did = `dialled ${count(lost.size, "lost node")}${answered}${views}`;
    // One whose dial is still under way may yet answer because of it.
    const isInVain = [...lost.keys()].every((id) => failedSince(discovery.found(id), fromMs));
    return { did, changedNothing: back === 0 && isInVain };
  }

  /** With the addresses where they were met last. */
  #lost(): Map<NodeId, readonly string[]> {
    const { parts, peers } = this.#options;
    const known = new Map(parts.swim.snapshotPeers().map((peer) => [peer.nodeId, peer]));
    const dead = peers.notes().filter(({ state }) => state === "dead");
    return new Map(
      dead.map(({ nodeId }) => [nodeId, known.get(nodeId)?.linkAddresses ?? []] as const),
    );
  }
}
