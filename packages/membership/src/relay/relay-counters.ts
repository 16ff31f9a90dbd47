/** What was passed on for whom, for metrics and `/mesh/status`; bounded, whoever comes. */
import type { NodeId } from "@hearthmesh/core";
import { RELAY_PEERS_MAX } from "./limits.js";

/** Why a stream was not passed on, or no longer. */
export type RelayRefusal =
  | "disabled"
  | "header"
  | "path"
  | "origin"
  | "streams"
  | "unreachable"
  | "bytes"
  | "time"
  | "idle";

export type RelayRefusals = Partial<Record<RelayRefusal, number>>;

export interface RelayCounts {
  /** Open now. */
  readonly openStreams: number;
  /** Passed on since the start, the open ones included. */
  readonly streams: number;
  /** Both directions. */
  readonly bytes: number;
  readonly refused: Readonly<RelayRefusals>;
}

export interface PeerRelayCounts extends RelayCounts {
  readonly nodeId: NodeId;
}

class Counts {
  openStreams = 0;
  streams = 0;
  bytes = 0;
  readonly refused: RelayRefusals = {};

  refuse(reason: RelayRefusal): void {
    this.refused[reason] = (this.refused[reason] ?? 0) + 1;
  }

  snapshot(): RelayCounts {
    const { openStreams, streams, bytes, refused } = this;
    return { openStreams, streams, bytes, refused: { ...refused } };
  }
}

export class RelayCounters {
  readonly #all = new Counts();
  /** The longest idle first. */
  readonly #peers = new Map<NodeId, Counts>();

  opened(peer: NodeId): void {
    for (const counts of [this.#all, this.#of(peer)]) {
      counts.openStreams++;
      counts.streams++;
    }
  }

  closed(peer: NodeId): void {
    for (const counts of [this.#all, this.#of(peer)]) counts.openStreams--;
  }

  moved(peer: NodeId, bytes: number): void {
    this.#all.bytes += bytes;
    const counts = this.#peers.get(peer);
    if (counts !== undefined) counts.bytes += bytes;
  }

  refused(peer: NodeId, reason: RelayRefusal): void {
    for (const counts of [this.#all, this.#of(peer)]) counts.refuse(reason);
  }

  openStreams(peer: NodeId): number {
    return this.#peers.get(peer)?.openStreams ?? 0;
  }

  all(): RelayCounts {
    return this.#all.snapshot();
  }

  peers(): PeerRelayCounts[] {
    return [...this.#peers].map(([nodeId, counts]) => ({ nodeId, ...counts.snapshot() }));
  }

  #of(peer: NodeId): Counts {
    const counts = this.#peers.get(peer) ?? new Counts();
    this.#peers.delete(peer);
    this.#peers.set(peer, counts);
    if (this.#peers.size > RELAY_PEERS_MAX) this.#forgetIdle();
    return counts;
  }

  /** Who has streams open is kept: a link for each of them bounds these. */
  #forgetIdle(): void {
    for (const [peer, { openStreams }] of this.#peers) {
      if (openStreams > 0) continue;
      this.#peers.delete(peer);
      return;
    }
  }
}
