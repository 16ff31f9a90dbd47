/**
 * Floods signed announcements and repairs what got lost, as a machine without I/O:
 * `step(event, nowMs)` answers what is to be done. The ideas are those of link-state routing (OSPF,
 * RFC 2328): numbered announcements, reliable flooding, ageing, and edges that count only when both
 * ends announce them; views are compared by digests instead of acknowledging each announcement.
 *
 * State: own links and services (`OwnAnnouncement`), announcements of others (`AnnouncementStore`),
 * and when views were last compared with each neighbour.
 *
 * Invariants: an announcement is passed on only when it was new, so that a flood ends; nothing is
 * passed on unverified; a newer announcement of ourselves that is not ours is surpassed.
 *
 * Error contract: whatever others send, `step` does not throw; what is refused is counted. It
 * throws only when the own signer does, or for services that `checkServices` refuses.
 */
import type { NodeId } from "@hearthmesh/core";
import type { AnnouncedServices } from "../ports.js";
import { type AnnouncementNumber, compareNumbers, type RouteAnnouncement } from "./announcement.js";
import { AnnouncementStore, type Outcome, type StoreCounters } from "./announcement-store.js";
import {
  ANNOUNCED_NEIGHBOURS_MAX,
  BATCH_REFUSALS_MAX,
  DIGEST_MS,
  RESYNC_MS,
  ROUTE_NODES_MAX,
  SWEEP_MS,
} from "./limits.js";
import { OwnAnnouncement, type OwnIdentity } from "./own-announcement.js";
import type { AddressedAnnouncement, RouteEffect, RouteEvent } from "./route-events.js";

export interface RouteMachineOptions {
  readonly self: OwnIdentity;
  /** Whether this node passes streams on. */
  readonly relays: boolean;
  /** Milliseconds since 1970 at the start of this life; it may be wrong. */
  readonly epoch: number;
  /** Public key (SPKI, DER) of a node of this mesh, this one included. */
  publicKeyOf(nodeId: NodeId): Uint8Array | undefined;
  /** Uniform in [0, 1). */
  random(): number;
}

export interface RouteCounters extends StoreCounters {
  issued: number;
  forwarded: number;
  digestsSent: number;
  surpassed: number;
}

export class RouteMachine {
  readonly #self: NodeId;
  readonly #own: OwnAnnouncement;
  readonly #store: AnnouncementStore;
  /** When views were last compared, by neighbour. */
  readonly #comparedMs = new Map<NodeId, number>();
  readonly #counters = { issued: 0, forwarded: 0, digestsSent: 0 };
  #effects: RouteEffect[] = [];
  #hasChanged = false;
  #digestAtMs: number;
  #sweepAtMs: number;

  constructor(options: RouteMachineOptions, nowMs: number) {
    const { self, relays, epoch, random } = options;
    this.#self = self.nodeId;
    this.#own = new OwnAnnouncement(self, relays, epoch, nowMs);
    this.#store = new AnnouncementStore((nodeId) => options.publicKeyOf(nodeId));
    // Nodes that start together must not go on in step.
    this.#digestAtMs = nowMs + (0.5 + random() / 2) * DIGEST_MS;
    this.#sweepAtMs = nowMs + SWEEP_MS;
  }

  /** When `wake` is due. */
  get wakeMs(): number {
    return Math.min(this.#own.issueAtMs, this.#digestAtMs, this.#sweepAtMs);
  }

  get number(): AnnouncementNumber {
    return this.#own.number;
  }

  get neighbours(): readonly NodeId[] {
    return [...this.#own.neighbours.keys()];
  }

  /** Numbers of everything that is known, this node's own included. */
  get numbers(): AnnouncementNumber[] {
    const own = this.#own.number;
    return own.sequence === 0 ? [...this.#store.numbers()] : [own, ...this.#store.numbers()];
  }

  get counters(): RouteCounters {
    const surpassed = this.#own.surpassedCount;
    return { ...this.#store.counters, ...this.#counters, surpassed };
  }

  get sizes(): { nodes: number; bytes: number; waiting: number } {
    const { size, bytes, waitingCount } = this.#store;
    return { nodes: size + 1, bytes, waiting: waitingCount };
  }

  /** This node as it is now, then what the others announced that are not gone. */
  announcements(): RouteAnnouncement[] {
    return [this.#own.current(), ...this.#store.live()];
  }

  services(): AnnouncedServices[] {
    return this.announcements()
      .filter(({ services }) => services.length > 0)
      .map(({ nodeId, services }) => ({ nodeId, services }));
  }

  step(event: RouteEvent, nowMs: number): RouteEffect[] {
    this.#effects = [];
    this.#hasChanged = false;
    this.#take(event, nowMs);
    this.#runDue(nowMs);
    if (this.#hasChanged) this.#effects.push({ type: "changed" });
    return this.#effects;
  }

  #take(event: RouteEvent, nowMs: number): void {
    switch (event.type) {
      case "link-up":
        this.#onLinkUp(event, nowMs);
        return;
      case "link-down":
        this.#comparedMs.delete(event.nodeId);
        if (this.#own.linkDown(event.nodeId, nowMs)) this.#hasChanged = true;
        return;
      case "round-trip":
        if (this.#own.measured(event.nodeId, event.ms, nowMs)) this.#hasChanged = true;
        return;
      case "announcements":
        this.#onAnnouncements(event, nowMs);
        return;
      case "digest":
        this.#onDigest(event, nowMs);
        return;
      case "member": {
        const isGone = event.state === "dead" || event.state === "left";
        if (event.nodeId === this.#self) return;
        if (this.#store.setGone(event.nodeId, isGone, nowMs)) this.#hasChanged = true;
        return;
      }
      case "services":
        if (this.#own.setServices(event.services, nowMs)) this.#hasChanged = true;
        return;
      case "key-known":
        this.#retryWaiting(nowMs, event.nodeId);
        return;
      case "send-failed":
        if (!this.#comparedMs.has(event.nodeId)) return;
        this.#comparedMs.set(event.nodeId, Number.NEGATIVE_INFINITY);
        this.#digestAtMs = Math.min(this.#digestAtMs, nowMs + RESYNC_MS);
        return;
      case "wake":
    }
  }

  #runDue(nowMs: number): void {
    if (nowMs >= this.#sweepAtMs) {
      this.#sweepAtMs = nowMs + SWEEP_MS;
      if (this.#store.sweep(nowMs)) this.#hasChanged = true;
      this.#retryWaiting(nowMs);
    }
    if (nowMs >= this.#digestAtMs) {
      this.#digestAtMs = nowMs + DIGEST_MS;
      this.#compareWithNext(nowMs);
    }
    const bytes = this.#own.issue(nowMs);
    if (bytes === undefined) return;
    this.#counters.issued++;
    this.#flood({ nodeId: this.#self, bytes, ageMs: 0 }, undefined);
  }

  #onLinkUp(event: Extract<RouteEvent, { type: "link-up" }>, nowMs: number): void {
    const { nodeId, kind, roundTripMs } = event;
    const { neighbours } = this.#own;
    if (nodeId === this.#self) return;
    if (!neighbours.has(nodeId) && neighbours.size >= ANNOUNCED_NEIGHBOURS_MAX) return;
    this.#own.linkUp(nodeId, kind, roundTripMs, nowMs);
    this.#hasChanged = true;
    this.#sendDigest(nodeId, false, nowMs);
  }

  #onAnnouncements(event: Extract<RouteEvent, { type: "announcements" }>, nowMs: number): void {
    let refusals = 0;
    for (const carried of event.announcements.slice(0, ROUTE_NODES_MAX)) {
      const outcome = this.#store.offer(carried, this.#own.number, nowMs);
      if (outcome.type === "forged" || outcome.type === "malformed") refusals++;
      this.#onOutcome(outcome, event.from, nowMs);
      if (refusals >= BATCH_REFUSALS_MAX) return;
    }
  }

  #onOutcome(outcome: Outcome, from: NodeId | undefined, nowMs: number): void {
    if (outcome.type === "new") {
      if (outcome.number.nodeId === this.#self) {
        this.#own.surpass(outcome.number, nowMs);
        return;
      }
      this.#hasChanged = true;
      const carried = this.#carried(outcome.number.nodeId, nowMs);
      if (carried !== undefined) this.#flood(carried, from);
      return;
    }
    // Whoever restarted with a clock set back announces old numbers: it is told of the newer one.
    if (outcome.type !== "older" || outcome.number.nodeId !== from) return;
    const carried = this.#carried(outcome.number.nodeId, nowMs);
    if (carried !== undefined) this.#send(from, [carried]);
  }

  /** Gives the peer what it lacks; asks for what it has, by the own digest. */
  #onDigest(event: Extract<RouteEvent, { type: "digest" }>, nowMs: number): void {
    const { from, isAnswer } = event;
    const theirs = new Map(
      event.numbers.slice(0, ROUTE_NODES_MAX).map((number) => [number.nodeId, number]),
    );
    const missing: AddressedAnnouncement[] = [];
    let isBehind = false;
    for (const number of this.numbers) {
      const known = theirs.get(number.nodeId);
      theirs.delete(number.nodeId);
      const comparison = known === undefined ? 1 : compareNumbers(number, known);
      if (comparison < 0) isBehind = true;
      const carried = comparison > 0 ? this.#carried(number.nodeId, nowMs) : undefined;
      if (carried !== undefined) missing.push(carried);
    }
    if (missing.length > 0) this.#send(from, missing);
    if (!isAnswer && (isBehind || theirs.size > 0)) this.#sendDigest(from, true, nowMs);
  }

  #retryWaiting(nowMs: number, nodeId?: NodeId): void {
    for (const carried of this.#store.takeWaiting(nowMs, nodeId)) {
      this.#onOutcome(this.#store.offer(carried, this.#own.number, nowMs), undefined, nowMs);
    }
  }

  /** With the neighbour whose turn was longest ago. */
  #compareWithNext(nowMs: number): void {
    let next: { nodeId: NodeId; comparedMs: number } | undefined;
    for (const [nodeId, comparedMs] of this.#comparedMs) {
      if (next === undefined || comparedMs < next.comparedMs) next = { nodeId, comparedMs };
    }
    if (next !== undefined) this.#sendDigest(next.nodeId, false, nowMs);
  }

  #sendDigest(to: NodeId, isAnswer: boolean, nowMs: number): void {
    if (this.#own.neighbours.has(to)) this.#comparedMs.set(to, nowMs);
    this.#counters.digestsSent++;
    this.#effects.push({ type: "send-digest", to, numbers: this.numbers, isAnswer });
  }

  #flood(announcement: AddressedAnnouncement, from: NodeId | undefined): void {
    for (const to of this.#own.neighbours.keys()) {
      if (to === from || to === announcement.nodeId) continue;
      this.#send(to, [announcement]);
    }
  }

  #send(to: NodeId, announcements: AddressedAnnouncement[]): void {
    this.#counters.forwarded += announcements.length;
    this.#effects.push({ type: "send", to, announcements });
  }

  #carried(nodeId: NodeId, nowMs: number): AddressedAnnouncement | undefined {
    const carried =
      nodeId === this.#self ? this.#own.carried(nowMs) : this.#store.carried(nodeId, nowMs);
    return carried === undefined ? undefined : { nodeId, ...carried };
  }
}
