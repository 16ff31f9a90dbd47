/**
 * Whom to dial, and when: a pure machine. It knows candidates from every method of discovery, and
 * answers with dials; the runtime performs them and tells what came of them.
 *
 * A candidate is in one of these states, which follow from its fields:
 *
 * | state   | dialled                                                                      |
 * |---------|------------------------------------------------------------------------------|
 * | wanted  | when `nextDialMs` has come: at once, then with full jitter, for ever         |
 * | dialled | no: one dial is under way                                                    |
 * | linked  | no, while a direct link is open                                              |
 * | relayed | about every `DIRECT_RETRY_MS`, for a direct path                             |
 * | alive   | the same: it is known to live through others, and did not answer directly    |
 * | left    | not before it is found again; a configured one slowly                        |
 * | removed | never, by no event but `restored`                                            |
 *
 * Invariants: at most `dialsMax` dials are under way, at most one of a node; every dial ends in
 * one `dial-succeeded` or `dial-failed`; a wanted candidate always has a time of its next dial;
 * no dial names a removed node; candidates, addresses and removed nodes are bounded.
 *
 * Errors: none. An event about what is unknown, such as a dial that was given up, does nothing.
 */
import type { NodeId, Random } from "@hearthmesh/core";
import type { PeerState } from "../ports.js";
import type { BookEffect, BookEvent, FoundEvent } from "./book-events.js";
import {
  type AddressFailure,
  type Candidate,
  type CandidateReport,
  type FoundBy,
  LASTING_METHODS,
  type LinkKind,
} from "./candidate.js";
import { CandidateTable } from "./candidate-table.js";
import { aboutMs, backoffMs, renew } from "./dial-schedule.js";
import {
  CANDIDATES_MAX,
  DIAL_BACKOFF_HEARD_MAX_MS,
  DIAL_BACKOFF_MAX_MS,
  DIALS_MAX,
  DIRECT_RETRY_MS,
  LINK_STABLE_MS,
  REMOVED_NODES_MAX,
} from "./limits.js";
import { findPlace, splitPlaces, withdrawPlaces } from "./places.js";

export interface CandidateBookOptions {
  selfNodeId: NodeId;
  random: Random;
  dialsMax?: number;
  candidatesMax?: number;
}

export class CandidateBook {
  readonly #selfNodeId: NodeId;
  readonly #random: Random;
  readonly #dialsMax: number;
  readonly #candidates: CandidateTable;
  readonly #byDialId = new Map<number, Candidate>();
  /** The oldest comes first. */
  readonly #removed = new Set<NodeId>();
  #effects: BookEffect[] = [];
  #lastDialId = 0;
  #isPaused = false;

  constructor(options: CandidateBookOptions) {
    this.#selfNodeId = options.selfNodeId;
    this.#random = options.random;
    this.#dialsMax = options.dialsMax ?? DIALS_MAX;
    this.#candidates = new CandidateTable(options.candidatesMax ?? CANDIDATES_MAX);
  }

  /** `nowMs` is of a monotonic clock. */
  step(event: BookEvent, nowMs: number): readonly BookEffect[] {
    this.#effects = [];
    this.#apply(event, nowMs);
    this.#dialDue(nowMs);
    return this.#effects;
  }

  /** When `wake` is due; undefined while only an event can bring a dial. */
  get wakeMs(): number | undefined {
    if (this.#byDialId.size >= this.#dialsMax || this.#isPaused) return undefined;
    let soonest: number | undefined;
    for (const candidate of this.#candidates.values()) {
      if (!this.#isWanted(candidate)) continue;
      if (soonest === undefined || candidate.nextDialMs < soonest) soonest = candidate.nextDialMs;
    }
    return soonest;
  }

  get dialsUnderWay(): number {
    return this.#byDialId.size;
  }

  get size(): number {
    return this.#candidates.size;
  }

  isRemoved(nodeId: NodeId): boolean {
    return this.#removed.has(nodeId);
  }

  isLinked(nodeId: NodeId): boolean {
    return this.#candidates.get(nodeId)?.directSinceMs !== undefined;
  }

  foundBy(nodeId: NodeId): readonly FoundBy[] {
    return this.#candidates.get(nodeId)?.foundByList() ?? [];
  }

  reportOf(nodeId: NodeId): CandidateReport | undefined {
    const candidate = this.#candidates.get(nodeId);
    return candidate?.report(this.#isWanted(candidate));
  }

  /** Every candidate; those without a node id are addresses where nobody has answered yet. */
  report(): CandidateReport[] {
    return [...this.#candidates.values()].map((candidate) =>
      candidate.report(this.#isWanted(candidate)),
    );
  }

  #apply(event: BookEvent, nowMs: number): void {
    switch (event.type) {
      case "found":
        this.#onFound(event, nowMs);
        break;
      case "withdrawn":
        withdrawPlaces(this.#candidates, event.addresses, event.method).forEach((place) => {
          this.#abort(place);
        });
        break;
      case "left":
        this.#onLeft(event.nodeId, nowMs);
        break;
      case "removed":
        this.#onRemoved(event.nodeId);
        break;
      case "restored":
        this.#removed.delete(event.nodeId);
        break;
      case "needed": {
        // Who said that it leaves is left alone: it will speak when it is back.
        const needed = this.#candidates.get(event.nodeId);
        if (needed?.hasLeft === false) renew(needed, nowMs);
        break;
      }
      case "peer-state":
        this.#onPeerState(event.nodeId, event.state, nowMs);
        break;
      case "dial-succeeded":
        this.#onSucceeded(event.dialId, event.nodeId, event.address, nowMs);
        break;
      case "dial-failed":
        this.#onFailed(event.dialId, event.failures, event.isSelf ?? false, nowMs);
        break;
      case "link-opened":
        this.#onLinkOpened(event.nodeId, event.kind, nowMs);
        break;
      case "link-closed":
        this.#onLinkClosed(event.nodeId, event.kind, nowMs);
        break;
      case "network-changed":
        for (const candidate of this.#candidates.values()) renew(candidate, nowMs);
        break;
      case "pause":
        this.#isPaused = true;
        break;
      case "resume":
        this.#isPaused = false;
        break;
      case "wake":
        break;
    }
  }

  #onFound(event: FoundEvent, nowMs: number): void {
    const { nodeId, method, addresses, boot } = event;
    if (nodeId === undefined) {
      // A place alone is taken from those that a person configured: they are few.
      if (!LASTING_METHODS.has(method)) return;
      for (const address of addresses) findPlace(this.#candidates, address, method, nowMs);
      return;
    }
    if (nodeId === this.#selfNodeId || this.#removed.has(nodeId)) return;
    const isNew = !this.#candidates.has(nodeId);
    const candidate = this.#candidates.obtain(nodeId, nodeId, nowMs);
    if (candidate === undefined) return;
    candidate.foundBy.set(method, nowMs);
    const fresh = addresses.map((text) => candidate.addAddress(text, nowMs, undefined));
    const isHeard = method === "beacon" && boot !== undefined;
    const hasRestarted = isHeard && boot !== candidate.boot;
    const wasSilent = isHeard && nowMs - (candidate.heardMs ?? 0) > DIAL_BACKOFF_HEARD_MAX_MS;
    if (isHeard) {
      candidate.boot = boot;
      candidate.heardMs = nowMs;
    }
    // What others still tell about a node that left is old; its own word and a person's are not.
    const isWelcome = candidate.hasLeft && method !== "gossip" && method !== "snapshot";
    if (isWelcome) candidate.hasLeft = false;
    const isNews = isNew || hasRestarted || wasSilent || isWelcome || fresh.includes(true);
    if (isNews) renew(candidate, nowMs);
  }

  #onLeft(nodeId: NodeId, nowMs: number): void {
    const candidate = this.#candidates.get(nodeId);
    if (candidate === undefined) return;
    candidate.state = "left";
    candidate.hasLeft = true;
    candidate.heardMs = undefined;
    if (candidate.isLasting) candidate.nextDialMs = nowMs + aboutMs(DIRECT_RETRY_MS, this.#random);
    else this.#abort(candidate);
  }

  #onRemoved(nodeId: NodeId): void {
    this.#removed.delete(nodeId);
    this.#removed.add(nodeId);
    if (this.#removed.size > REMOVED_NODES_MAX) {
      const [oldest] = this.#removed;
      if (oldest !== undefined) this.#removed.delete(oldest);
    }
    const candidate = this.#candidates.get(nodeId);
    if (candidate === undefined) return;
    this.#abort(candidate);
    this.#candidates.delete(nodeId);
  }

  #abort(candidate: Candidate): void {
    const { dialId } = candidate;
    if (dialId !== undefined) this.#effects.push({ type: "abort-dial", dialId });
  }

  #onPeerState(nodeId: NodeId, state: PeerState, nowMs: number): void {
    if (state === "left") {
      this.#onLeft(nodeId, nowMs);
      return;
    }
    const candidate = this.#candidates.get(nodeId);
    if (candidate === undefined) return;
    const wasGone = candidate.state === "dead" || candidate.hasLeft;
    candidate.state = state;
    if (state === "alive" && wasGone) {
      candidate.hasLeft = false;
      renew(candidate, nowMs);
    }
  }

  #onSucceeded(dialId: number, nodeId: NodeId, address: string, nowMs: number): void {
    const dialled = this.#endDial(dialId);
    if (dialled === undefined || this.#removed.has(nodeId)) return;
    if (nodeId === this.#selfNodeId) {
      this.#markSelf(dialled, nowMs);
      return;
    }
    const candidate = this.#identify(dialled, nodeId, nowMs);
    if (candidate === undefined) return;
    const worked = candidate.addresses.get(address);
    if (worked !== undefined) worked.workedMs = nowMs;
    candidate.failures = [];
    candidate.failedMs = undefined;
    candidate.hasLeft = false;
    // Until the link is told to be open, and if it never is.
    this.#retryLater(candidate, nowMs);
  }

  /** An address was found to be this node's: one candidate from here on. */
  #identify(dialled: Candidate, nodeId: NodeId, nowMs: number): Candidate | undefined {
    if (dialled.nodeId !== undefined) return dialled;
    // Its own place goes first, so that there is room for the node's.
    this.#candidates.delete(dialled.key);
    const candidate = this.#candidates.obtain(nodeId, nodeId, nowMs);
    candidate?.absorb(dialled, nowMs);
    if (candidate !== undefined && candidate.attempts === 0) candidate.attempts = dialled.attempts;
    return candidate;
  }

  #markSelf(candidate: Candidate, nowMs: number): void {
    candidate.isSelf = candidate.nodeId === undefined;
    candidate.failures = [];
    candidate.nextDialMs = nowMs + DIAL_BACKOFF_MAX_MS;
  }

  #onFailed(
    dialId: number,
    failures: readonly AddressFailure[],
    isSelf: boolean,
    nowMs: number,
  ): void {
    const candidate = this.#endDial(dialId);
    if (candidate === undefined) return;
    if (isSelf && candidate.nodeId === undefined) {
      this.#markSelf(candidate, nowMs);
      return;
    }
    candidate.failures = failures;
    candidate.failedMs = nowMs;
    this.#retryLater(candidate, nowMs);
    const { nodeId, lastNodeId } = candidate;
    if (nodeId !== undefined) splitPlaces(this.#candidates, candidate, nodeId);
    else if (lastNodeId !== undefined && this.isLinked(lastNodeId)) {
      this.#identify(candidate, lastNodeId, nowMs);
    }
  }

  #endDial(dialId: number): Candidate | undefined {
    const candidate = this.#byDialId.get(dialId);
    this.#byDialId.delete(dialId);
    if (candidate === undefined) return undefined;
    candidate.dialId = undefined;
    return this.#candidates.get(candidate.key) === candidate ? candidate : undefined;
  }

  #onLinkOpened(nodeId: NodeId, kind: LinkKind, nowMs: number): void {
    if (nodeId === this.#selfNodeId || this.#removed.has(nodeId)) return;
    const candidate = this.#candidates.obtain(nodeId, nodeId, nowMs);
    if (candidate === undefined) return;
    candidate.hasLeft = false;
    if (kind === "relayed") {
      candidate.isRelayed = true;
      if (candidate.lastDialMs !== undefined) {
        const soon = nowMs + aboutMs(DIRECT_RETRY_MS, this.#random);
        candidate.nextDialMs = Math.min(candidate.nextDialMs, soon);
      }
      return;
    }
    candidate.directSinceMs ??= nowMs;
    candidate.failures = [];
    candidate.failedMs = undefined;
    for (const place of [...this.#candidates.values()]) {
      if (place.nodeId !== undefined || place.lastNodeId !== nodeId) continue;
      if (place.dialId !== undefined) continue;
      this.#candidates.delete(place.key);
      candidate.absorb(place, nowMs);
    }
  }

  #onLinkClosed(nodeId: NodeId, kind: LinkKind, nowMs: number): void {
    const candidate = this.#candidates.get(nodeId);
    if (candidate === undefined) return;
    if (kind === "relayed") {
      candidate.isRelayed = false;
      return;
    }
    const sinceMs = candidate.directSinceMs;
    if (sinceMs === undefined) return;
    candidate.directSinceMs = undefined;
    if (nowMs - sinceMs >= LINK_STABLE_MS) candidate.attempts = 0;
    this.#retryLater(candidate, nowMs);
  }

  #retryLater(candidate: Candidate, nowMs: number): void {
    candidate.nextDialMs = nowMs + backoffMs(candidate, this.#random, nowMs);
  }

  #isWanted(candidate: Candidate): boolean {
    const { dialId, directSinceMs, addresses, hasLeft, nodeId, lastNodeId } = candidate;
    if (dialId !== undefined || directSinceMs !== undefined || addresses.size === 0) return false;
    if (hasLeft && !candidate.isLasting) return false;
    const id = nodeId ?? lastNodeId;
    if (id === undefined) return true;
    // One dial of a node at a time, also where an address was its own before.
    for (const other of this.#byDialId.values()) {
      if ((other.nodeId ?? other.lastNodeId) === id) return false;
    }
    return true;
  }

  #dialDue(nowMs: number): void {
    const room = this.#dialsMax - this.#byDialId.size;
    if (room <= 0 || this.#isPaused) return;
    const due = [...this.#candidates.values()]
      .filter((candidate) => candidate.nextDialMs <= nowMs && this.#isWanted(candidate))
      // One that was never tried goes before those that failed; then who has waited the longest.
      .sort(
        (a, b) =>
          Number(a.lastDialMs !== undefined) - Number(b.lastDialMs !== undefined) ||
          a.nextDialMs - b.nextDialMs,
      );
    for (const candidate of due.slice(0, room)) {
      if (this.#isWanted(candidate)) this.#dial(candidate, nowMs);
    }
  }

  #dial(candidate: Candidate, nowMs: number): void {
    const dialId = ++this.#lastDialId;
    candidate.dialId = dialId;
    candidate.lastDialMs = nowMs;
    candidate.attempts += 1;
    this.#byDialId.set(dialId, candidate);
    const { nodeId } = candidate;
    this.#effects.push({
      type: "dial",
      dialId,
      addresses: candidate.dialOrder(),
      ...(nodeId === undefined ? {} : { expectedNodeId: nodeId }),
      foundBy: candidate.foundByList(),
    });
  }
}
