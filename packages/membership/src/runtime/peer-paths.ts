/**
 * How a datagram gets to each peer: over UDP, as a request on a link, or both. Pure.
 *
 * States of a peer: trusted (UDP, until a ping stays without an answer for `doubtMs`); doubted (the
 * link too, where one is open, and UDP once in `UDP_RETRY_MS`) until an answer comes over UDP. What
 * the peer only says by itself does not end the doubt: datagrams may get through in one direction
 * alone. An answer goes back the way that the question came.
 */
import type { NodeId } from "@hearthmesh/core";
import { NODES_MAX } from "../limits.js";
import { UDP_RETRY_MS, UDP_SOURCE_MS_MAX } from "./limits.js";

export interface PeerPath {
  /** Monotonic time of the last datagram over UDP, and over a link. */
  udpHeardMs: number | undefined;
  linkHeardMs: number | undefined;
  /** Where the last one over UDP came from. */
  udpSource: string | undefined;
  /** The first ping over UDP that is not answered. */
  awaitedSinceMs: number | undefined;
  udpSentMs: number;
}

export interface PathRequest {
  readonly to: NodeId;
  readonly isPing: boolean;
  /** Of the peer's record. */
  readonly address: string;
  /** Both sides have UDP, and a seal is possible. */
  readonly canSeal: boolean;
  readonly hasLink: boolean;
}

export interface PathChoice {
  /** Where to send it over UDP. */
  readonly udp: string | undefined;
  readonly link: boolean;
}

export class PeerPaths {
  readonly #doubtMs: number;
  readonly #paths = new Map<NodeId, PeerPath>();

  constructor(doubtMs: number) {
    this.#doubtMs = doubtMs;
  }

  get(nodeId: NodeId): Readonly<PeerPath> | undefined {
    return this.#paths.get(nodeId);
  }

  /** `isAnswer`: to something that this node sent it. */
  heardUdp(nodeId: NodeId, source: string, isAnswer: boolean, nowMs: number): void {
    const path = this.#path(nodeId);
    path.udpHeardMs = nowMs;
    path.udpSource = source;
    if (isAnswer) path.awaitedSinceMs = undefined;
  }

  heardLink(nodeId: NodeId, nowMs: number): void {
    this.#path(nodeId).linkHeardMs = nowMs;
  }

  choose({ to, isPing, address, canSeal, hasLink }: PathRequest, nowMs: number): PathChoice {
    if (!canSeal) return { udp: undefined, link: true };
    const path = this.#path(to);
    const isDoubted = this.#isDoubted(path, nowMs);
    if (isDoubted && hasLink && nowMs - path.udpSentMs < UDP_RETRY_MS) {
      return { udp: undefined, link: true };
    }
    path.udpSentMs = nowMs;
    if (isPing) path.awaitedSinceMs ??= nowMs;
    const { udpHeardMs, udpSource } = path;
    const isFresh = udpHeardMs !== undefined && nowMs - udpHeardMs < UDP_SOURCE_MS_MAX;
    return { udp: (isFresh ? udpSource : undefined) ?? address, link: isDoubted };
  }

  forget(nodeId: NodeId): void {
    this.#paths.delete(nodeId);
  }

  /** It begins anew: its address or its life is another. */
  reset(nodeId: NodeId): void {
    const path = this.#paths.get(nodeId);
    if (path === undefined) return;
    path.udpSource = undefined;
    path.awaitedSinceMs = undefined;
  }

  #isDoubted({ awaitedSinceMs }: PeerPath, nowMs: number): boolean {
    return awaitedSinceMs !== undefined && nowMs - awaitedSinceMs >= this.#doubtMs;
  }

  #path(nodeId: NodeId): PeerPath {
    const known = this.#paths.get(nodeId);
    if (known !== undefined) return known;
    const fresh: PeerPath = {
      udpHeardMs: undefined,
      linkHeardMs: undefined,
      udpSource: undefined,
      awaitedSinceMs: undefined,
      udpSentMs: Number.NEGATIVE_INFINITY,
    };
    const [oldest] = this.#paths.keys();
    if (this.#paths.size >= 2 * NODES_MAX && oldest !== undefined) this.#paths.delete(oldest);
    this.#paths.set(nodeId, fresh);
    return fresh;
  }
}
