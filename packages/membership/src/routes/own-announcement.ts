/**
 * What this node announces, and when the next announcement is due. Pure.
 *
 * Invariants: each announcement is newer than all before it, those of earlier lives included as
 * soon as the mesh tells of them; changes are gathered and damped, so that a flapping link cannot
 * make a storm.
 */
import type { NodeId } from "@hearthmesh/core";
import { TokenBucket } from "@hearthmesh/qwormhole";
import type { ServiceAnnouncement } from "../ports.js";
import {
  type AnnouncementNumber,
  compareNumbers,
  type RouteAnnouncement,
  roundedRoundTripMs,
  signAnnouncement,
} from "./announcement.js";
import {
  EPOCH_MAX,
  ISSUE_BURST,
  ISSUE_COALESCE_MS,
  ISSUE_PER_SEC,
  LOAD_DAMP_MS,
  RENEWAL_MS,
  ROUND_TRIP_CHANGE_MS,
  ROUND_TRIP_CHANGE_SHARE,
  ROUND_TRIP_DAMP_MS,
  ROUND_TRIP_MS_UNKNOWN,
  SERVICES_DAMP_MS,
} from "./limits.js";

export interface OwnIdentity {
  readonly nodeId: NodeId;
  /** ECDSA P-256 with SHA-256, 64 bytes (IEEE P1363). */
  sign(bytes: Uint8Array): Uint8Array;
}

interface Neighbour {
  readonly nodeId: NodeId;
  kind: "direct" | "hub";
  /** Undefined until the link has measured it. */
  roundTripMs: number | undefined;
  /** What the last announcement said; undefined when it said a guess or nothing. */
  announcedMs: number | undefined;
}

export class OwnAnnouncement {
  readonly neighbours = new Map<NodeId, Neighbour>();
  services: readonly ServiceAnnouncement[] = [];
  /** Times that this node found an announcement of an earlier life. */
  surpassedCount = 0;
  readonly #self: OwnIdentity;
  readonly #relays: boolean;
  readonly #bucket: TokenBucket;
  #epoch: number;
  #sequence = 0;
  #bytes: Uint8Array | undefined;
  #issueAtMs: number;
  #issuedMs = Number.NEGATIVE_INFINITY;
  #roundTripsMs = Number.NEGATIVE_INFINITY;
  #servicesMs = Number.NEGATIVE_INFINITY;
  #isRoundTripDue = false;
  #isServicesDue = false;

  /** `epoch`: milliseconds since 1970 at the start; a clock that was set back is made up for. */
  constructor(self: OwnIdentity, relays: boolean, epoch: number, nowMs: number) {
    this.#self = self;
    this.#relays = relays;
    // Half of the range stays free for lives whose clock was too far ahead.
    this.#epoch = Math.min(Math.max(1, Math.floor(epoch) || 1), EPOCH_MAX / 2);
    this.#bucket = new TokenBucket({ perSec: ISSUE_PER_SEC, burst: ISSUE_BURST }, nowMs);
    this.#issueAtMs = nowMs + ISSUE_COALESCE_MS;
  }

  get number(): AnnouncementNumber {
    return { nodeId: this.#self.nodeId, epoch: this.#epoch, sequence: this.#sequence };
  }

  /** When the next announcement is due. */
  get issueAtMs(): number {
    return this.#issueAtMs;
  }

  /** The last announcement, once there is one. */
  carried(nowMs: number): { bytes: Uint8Array; ageMs: number } | undefined {
    if (this.#bytes === undefined) return undefined;
    return { bytes: this.#bytes, ageMs: Math.max(0, Math.floor(nowMs - this.#issuedMs)) };
  }

  current(): RouteAnnouncement {
    const neighbours = [...this.neighbours.values()].map(({ nodeId, roundTripMs, kind }) => {
      return {
        nodeId,
        kind,
        roundTripMs: roundedRoundTripMs(roundTripMs ?? ROUND_TRIP_MS_UNKNOWN),
      };
    });
    return { ...this.number, relays: this.#relays, neighbours, services: this.services };
  }

  linkUp(
    nodeId: NodeId,
    kind: "direct" | "hub",
    roundTripMs: number | undefined,
    nowMs: number,
  ): void {
    this.neighbours.set(nodeId, { nodeId, kind, roundTripMs, announcedMs: undefined });
    this.#dueAt(nowMs + ISSUE_COALESCE_MS);
  }

  /** Answers whether it was a neighbour. */
  linkDown(nodeId: NodeId, nowMs: number): boolean {
    const wasThere = this.neighbours.delete(nodeId);
    if (wasThere) this.#dueAt(nowMs + ISSUE_COALESCE_MS);
    return wasThere;
  }

  /** Answers whether the round trip changed by so much that it matters for routes. */
  measured(nodeId: NodeId, ms: number, nowMs: number): boolean {
    const neighbour = this.neighbours.get(nodeId);
    if (neighbour === undefined || !(ms >= 0)) return false;
    neighbour.roundTripMs = ms;
    const before = neighbour.announcedMs;
    if (before === undefined) {
      this.#dueAt(nowMs + ISSUE_COALESCE_MS);
      return true;
    }
    const change = Math.abs(roundedRoundTripMs(ms) - before);
    if (change <= ROUND_TRIP_CHANGE_MS || change <= before * ROUND_TRIP_CHANGE_SHARE) return false;
    this.#isRoundTripDue = true;
    this.#dueAt(Math.max(nowMs + ISSUE_COALESCE_MS, this.#roundTripsMs + ROUND_TRIP_DAMP_MS));
    return true;
  }

  /** Answers whether something changed. */
  setServices(services: readonly ServiceAnnouncement[], nowMs: number): boolean {
    const change = servicesChange(this.services, services);
    if (change === "none") return false;
    this.services = services;
    this.#isServicesDue = true;
    const dampMs = change === "load" ? LOAD_DAMP_MS : SERVICES_DAMP_MS;
    this.#dueAt(Math.max(nowMs + ISSUE_COALESCE_MS, this.#servicesMs + dampMs));
    return true;
  }

  /** Another life of this node has announced something newer: this life goes above it. */
  surpass(found: AnnouncementNumber, nowMs: number): void {
    if (compareNumbers(found, this.number) <= 0) return;
    this.#epoch = Math.min(found.epoch + 1, EPOCH_MAX - 1);
    this.#sequence = 0;
    this.surpassedCount++;
    this.#dueAt(nowMs + ISSUE_COALESCE_MS);
  }

  /** The next announcement when it is due and allowed, else undefined. */
  issue(nowMs: number): Uint8Array | undefined {
    if (nowMs < this.#issueAtMs) return undefined;
    const waitMs = this.#bucket.waitMs(nowMs);
    if (waitMs > 0) {
      this.#issueAtMs = nowMs + Math.ceil(waitMs);
      return undefined;
    }
    this.#bucket.take(1, nowMs);
    // First, so that a signer that throws is not asked again at once.
    this.#issueAtMs = nowMs + RENEWAL_MS;
    this.#sequence++;
    this.#bytes = signAnnouncement(this.current(), (bytes) => this.#self.sign(bytes));
    for (const neighbour of this.neighbours.values()) {
      const { roundTripMs } = neighbour;
      neighbour.announcedMs =
        roundTripMs === undefined ? undefined : roundedRoundTripMs(roundTripMs);
    }
    if (this.#isRoundTripDue) this.#roundTripsMs = nowMs;
    if (this.#isServicesDue) this.#servicesMs = nowMs;
    this.#isRoundTripDue = false;
    this.#isServicesDue = false;
    this.#issuedMs = nowMs;
    return this.#bytes;
  }

  #dueAt(atMs: number): void {
    this.#issueAtMs = Math.min(this.#issueAtMs, atMs);
  }
}

function servicesChange(
  before: readonly ServiceAnnouncement[],
  after: readonly ServiceAnnouncement[],
): "none" | "load" | "all" {
  const text = (services: readonly ServiceAnnouncement[], withLoad: boolean) =>
    JSON.stringify(
      services.map(({ name, capabilities, protocol, health, load }) => {
        return [name, capabilities, protocol, health, withLoad ? load : 0];
      }),
    );
  if (text(before, false) !== text(after, false)) return "all";
  return text(before, true) === text(after, true) ? "none" : "load";
}
