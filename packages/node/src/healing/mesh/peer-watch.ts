/**
 * Follows membership and links for all monitors of other nodes: keeps the log of peers, and wakes
 * them when something changed.
 */
import type { Clock, Logger, NodeId } from "@hearthmesh/core";
import type { OpenLink, PeerChange } from "@hearthmesh/membership";
import type { MeshPart } from "../../mesh/mesh-part.js";
import { type LeftNote, PeerLog, type PeerNote } from "./peer-log.js";

export interface PeerWatchOptions {
  readonly parts: Pick<MeshPart["parts"], "swim" | "links">;
  isRevoked(nodeId: NodeId): boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

export class PeerWatch {
  readonly #options: PeerWatchOptions;
  readonly #log = new PeerLog();
  readonly #wakes = new Set<() => void>();
  #unsubscribe: (() => void)[] = [];

  constructor(options: PeerWatchOptions) {
    this.#options = options;
  }

  /** As of now; whoever left or was removed is not among them. */
  notes(): readonly PeerNote[] {
    const { parts, clock, isRevoked } = this.#options;
    this.#log.sync(parts.swim.peers(), clock.monotonicMs());
    for (const nodeId of this.#log.ids()) if (isRevoked(nodeId)) this.#log.forget(nodeId);
    return this.#log.all();
  }

  /** Who left in order while this node watched, or did so and is back. */
  left(): readonly LeftNote[] {
    this.notes();
    return this.#log.left(this.#options.clock.monotonicMs());
  }

  /** Of these, who is not back. */
  leftNow(): NodeId[] {
    return this.left().flatMap(({ nodeId, isBack }) => (isBack ? [] : [nodeId]));
  }

  /** It is spoken of from now on, also when there are many. */
  troubled(nodeId: NodeId): void {
    this.#log.troubled(nodeId);
  }

  watch(wake: () => void): () => void {
    if (this.#wakes.size === 0) this.#subscribe();
    this.#wakes.add(wake);
    return () => {
      this.#wakes.delete(wake);
      if (this.#wakes.size === 0) for (const end of this.#unsubscribe.splice(0)) end();
    };
  }

  #subscribe(): void {
    const { swim, links } = this.#options.parts;
    this.notes();
    this.#unsubscribe = [
      swim.onChange((change) => this.#onPeer(change)),
      links.onLink((open, isOpen) => this.#onLink(open, isOpen)),
    ];
  }

  #onPeer({ peer, before, after }: PeerChange): void {
    if (before === after) return;
    const { parts, clock } = this.#options;
    const heard = parts.swim.members().find(({ nodeId }) => nodeId === peer.nodeId);
    const agoMs = [heard?.udpHeardAgoMs, heard?.linkHeardAgoMs].filter((ms) => ms !== undefined);
    const silentMs = agoMs.length === 0 ? undefined : Math.min(...agoMs);
    this.#log.see({ ...peer, state: after }, clock.monotonicMs(), silentMs);
    if (after === "left") {
      // No fault: it said goodbye. It becomes a note in the history, when it stays away.
      const fields = { nodeId: peer.nodeId, nodeName: peer.name };
      this.#options.log.info("a node left in order: ways go without it, nothing to mend", fields);
    }
    this.#wake();
  }

  #onLink({ link }: OpenLink, isOpen: boolean): void {
    const nodeId = link.peer.nodeId as NodeId;
    if (isOpen) this.#log.linked(nodeId);
    else if (this.#options.parts.links.openLink(nodeId) === undefined) {
      const nowMs = this.#options.clock.monotonicMs();
      void link.closed.then(({ error }) => {
        const isBack = this.#options.parts.links.openLink(nodeId) !== undefined;
        if (!isBack) this.#log.linkBroke(nodeId, howItEnded(error), nowMs);
      });
    }
    this.#wake();
  }

  #wake(): void {
    for (const wake of [...this.#wakes]) wake();
  }
}

function howItEnded(error: Error | undefined): string {
  if (error === undefined) return "said goodbye";
  const isSilent = (error as { code?: unknown }).code === "QW_PEER_DEAD";
  return isSilent ? "was silent and was given up" : "broke";
}
