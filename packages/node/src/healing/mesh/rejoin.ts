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
    const isLinked = (nodeId: NodeId) => links.openLink(nodeId) !== undefined;
    // The others have come back by themselves, which is not this one's doing.
    const away = [...lost].filter(([nodeId]) => !isLinked(nodeId));
    const ids = away.map(([nodeId]) => nodeId);
    const fromMs = clock.monotonicMs();
    if (away.length > 0) {
      // The addresses of this machine may be other ones since; hubs know where the others are.
      discovery.networkChanged();
    }
    for (const [nodeId, linkAddresses] of away) {
      discovery.addCandidate("snapshot", { nodeId, linkAddresses });
      discovery.redial(nodeId);
    }
    await holdsWithin(() => ids.every(isLinked), DIAL_PATIENCE_MS, { clock, signal });
    const linked = links.openLinks().map(({ link }) => link);
    const exchanged = await Promise.allSettled(linked.map((link) => swim.join(link)));
    const agreed = exchanged.filter(({ status }) => status === "fulfilled").length;
    const views = agreed === 0 ? "" : `, and exchanged views with ${count(agreed, "node")}`;
    const answered = ids.filter(isLinked).length;
    const did = `${dialledText(away.length, answered)}${backText(lost.size - away.length)}${views}`;
    // One whose dial is still under way may yet answer because of it.
    const isInVain = ids.every((id) => failedSince(discovery.found(id), fromMs));
    return { did, changedNothing: answered === 0 && isInVain };
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

function dialledText(dialled: number, answered: number): string {
  const lost = `dialled ${count(dialled, "lost node")}`;
  if (dialled === 0) return "dialled nobody";
  if (answered > 0) return `${lost}: ${answered} answered`;
  return `${lost}: none answered within ${seconds(DIAL_PATIENCE_MS)}`;
}

function backText(back: number): string {
  return back === 0 ? "" : `; ${count(back, "node")} had a link again by then`;
}
