/** The peers of the snapshot: those of earlier lives, and those that were met in this one. */
import type { NodeId } from "@hearthmesh/core";
import { SNAPSHOT_PEERS_MAX } from "./limits.js";
import type { SnapshotPeer } from "./snapshot.js";

export class PeerMemory {
  /** The one met longest ago first. */
  readonly #peers = new Map<NodeId, SnapshotPeer>();

  /** `peers`: the most recent ones first, as `all` gives them. */
  load(peers: readonly SnapshotPeer[]): void {
    for (const peer of [...peers].reverse()) this.meet(peer);
  }

  meet(peer: SnapshotPeer): void {
    this.#peers.delete(peer.nodeId);
    this.#peers.set(peer.nodeId, peer);
    const [oldest] = this.#peers.keys();
    if (this.#peers.size > SNAPSHOT_PEERS_MAX && oldest !== undefined) this.#peers.delete(oldest);
  }

  forget(nodeId: NodeId): void {
    this.#peers.delete(nodeId);
  }

  /** The most recent ones first. */
  get all(): SnapshotPeer[] {
    return [...this.#peers.values()].reverse();
  }
}
