/**
 * The newest announcement of each other node, with the number of those that have ended, and those
 * that wait for a key. Pure; the time is that of the receiver's monotonic clock.
 *
 * Invariants: of a node only a newer announcement replaces one; only what its node has signed gets
 * in; nothing grows beyond the limits. Error contract: nothing throws for what others sent; a
 * refusal is an outcome and is counted.
 */
import type { NodeId } from "@hearthmesh/core";
import { TokenBucket } from "@hearthmesh/qwormhole";
import {
  type AnnouncementNumber,
  announcementNumber,
  compareNumbers,
  decodeAnnouncement,
  isSignedBy,
  type RouteAnnouncement,
} from "./announcement.js";
import {
  ACCEPT_BURST,
  ACCEPT_PER_SEC,
  ANNOUNCEMENT_LIFE_MS,
  ANNOUNCEMENTS_BYTES_MAX,
  DEAD_KEEP_MS,
  PENDING_ANNOUNCEMENTS_MAX,
  PENDING_BYTES_MAX,
  ROUTE_NODES_MAX,
  TOMBSTONE_MS,
} from "./limits.js";

/** An announcement on its way. */
export interface CarriedAnnouncement {
  readonly bytes: Uint8Array;
  /** Time since it was made, as far as those know who carried it. */
  readonly ageMs: number;
}

export type Outcome =
  | { readonly type: "new"; readonly number: AnnouncementNumber }
  | { readonly type: "known"; readonly number: AnnouncementNumber }
  | { readonly type: "older"; readonly number: AnnouncementNumber }
  | { readonly type: "pending" | "throttled" | "full" | "malformed" | "forged" };

export interface StoreCounters {
  accepted: number;
  /** Known already, or older than the known one. */
  stale: number;
  /** Wait for a key, so far. */
  pending: number;
  /** Came faster than one node may announce. */
  throttled: number;
  /** No room for another node. */
  full: number;
  malformed: number;
  /** The signature is not that of the node. */
  forged: number;
  expired: number;
}

interface Entry extends AnnouncementNumber {
  /** Undefined when it has ended and only the number is remembered. */
  signed: { readonly announcement: RouteAnnouncement; readonly bytes: Uint8Array } | undefined;
  /** When it was made, by this clock. */
  madeMs: number;
  readonly bucket: TokenBucket;
}

interface Waiting {
  readonly bytes: Uint8Array;
  readonly madeMs: number;
}

export class AnnouncementStore {
  readonly counters: StoreCounters = {
    accepted: 0,
    stale: 0,
    pending: 0,
    throttled: 0,
    full: 0,
    malformed: 0,
    forged: 0,
    expired: 0,
  };
  readonly #publicKeyOf: (nodeId: NodeId) => Uint8Array | undefined;
  readonly #entries = new Map<NodeId, Entry>();
  readonly #waiting = new Map<NodeId, Waiting>();
  /** Nodes that are dead or have left, and since when. */
  readonly #gone = new Map<NodeId, number>();
  #bytes = 0;
  #waitingBytes = 0;

  constructor(publicKeyOf: (nodeId: NodeId) => Uint8Array | undefined) {
    this.#publicKeyOf = publicKeyOf;
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** Those that have not ended, of nodes that are not gone. */
  *live(): Generator<RouteAnnouncement> {
    for (const { nodeId, signed } of this.#entries.values()) {
      if (signed !== undefined && !this.#gone.has(nodeId)) yield signed.announcement;
    }
  }

  /** Numbers of all, also of those that have ended. */
  *numbers(): Generator<AnnouncementNumber> {
    for (const { nodeId, epoch, sequence } of this.#entries.values()) {
      yield { nodeId, epoch, sequence };
    }
  }

  isGone(nodeId: NodeId): boolean {
    return this.#gone.has(nodeId);
  }

  /** What is passed on; undefined when there is none or it has ended. */
  carried(nodeId: NodeId, nowMs: number): CarriedAnnouncement | undefined {
    const entry = this.#entries.get(nodeId);
    if (entry?.signed === undefined) return undefined;
    return { bytes: entry.signed.bytes, ageMs: Math.max(0, Math.floor(nowMs - entry.madeMs)) };
  }

  /**
   * Takes an announcement that came from anywhere. `own` is what this node has announced last:
   * its own announcements are verified and compared, and never kept.
   */
  offer(carried: CarriedAnnouncement, own: AnnouncementNumber, nowMs: number): Outcome {
    const number = numberOf(carried.bytes);
    if (number === undefined) return this.#count("malformed");
    const known = number.nodeId === own.nodeId ? own : this.#entries.get(number.nodeId);
    const comparison = known === undefined ? 1 : compareNumbers(number, known);
    if (comparison <= 0) {
      this.counters.stale++;
      return { type: comparison === 0 ? "known" : "older", number };
    }
    const ageMs = Math.min(Math.max(0, carried.ageMs), ANNOUNCEMENT_LIFE_MS);
    const madeMs = nowMs - ageMs;
    const publicKey = this.#publicKeyOf(number.nodeId);
    if (publicKey === undefined) {
      if (decoded(carried.bytes) === undefined) return this.#count("malformed");
      return this.#wait(number.nodeId, carried.bytes, madeMs);
    }
    const entry = this.#entries.get(number.nodeId);
    if (entry !== undefined && entry.bucket.waitMs(nowMs) > 0) return this.#count("throttled");
    if (!isSignedBy(carried.bytes, number.nodeId, publicKey)) return this.#count("forged");
    const announcement = decoded(carried.bytes);
    if (announcement === undefined) return this.#count("malformed");
    if (number.nodeId === own.nodeId) return { type: "new", number };
    return this.#keep(announcement, carried.bytes, madeMs, nowMs);
  }

  /** Those that waited for keys that are known by now, or for this one. */
  takeWaiting(nowMs: number, nodeId?: NodeId): CarriedAnnouncement[] {
    const taken: CarriedAnnouncement[] = [];
    for (const [id, { bytes, madeMs }] of this.#waiting) {
      if (nodeId !== undefined && id !== nodeId) continue;
      const ageMs = nowMs - madeMs;
      const isOver = ageMs >= ANNOUNCEMENT_LIFE_MS;
      if (!isOver && this.#publicKeyOf(id) === undefined) continue;
      this.#forgetWaiting(id);
      if (!isOver) taken.push({ bytes, ageMs });
    }
    return taken;
  }

  /** Answers whether something changed for routes. */
  setGone(nodeId: NodeId, isGone: boolean, nowMs: number): boolean {
    if (!isGone) return this.#gone.delete(nodeId);
    if (this.#gone.has(nodeId)) return false;
    // The one that has been gone for longest makes room.
    const [oldest] = this.#gone.keys();
    if (this.#gone.size >= ROUTE_NODES_MAX && oldest !== undefined) this.#gone.delete(oldest);
    this.#gone.set(nodeId, nowMs);
    return true;
  }

  /** Ends what is too old. Answers whether something ended. */
  sweep(nowMs: number): boolean {
    let hasEnded = false;
    for (const entry of [...this.#entries.values()]) {
      if (this.#end(entry, nowMs)) hasEnded = true;
      if (nowMs - entry.madeMs >= ANNOUNCEMENT_LIFE_MS + TOMBSTONE_MS) {
        this.#entries.delete(entry.nodeId);
        this.#gone.delete(entry.nodeId);
      }
    }
    return hasEnded;
  }

  #end(entry: Entry, nowMs: number): boolean {
    if (entry.signed === undefined) return false;
    const goneMs = this.#gone.get(entry.nodeId);
    const isDead = goneMs !== undefined && nowMs - Math.max(goneMs, entry.madeMs) >= DEAD_KEEP_MS;
    if (!isDead && nowMs - entry.madeMs < ANNOUNCEMENT_LIFE_MS) return false;
    this.#bytes -= entry.signed.bytes.length;
    entry.signed = undefined;
    this.counters.expired++;
    return true;
  }

  #keep(
    announcement: RouteAnnouncement,
    bytes: Uint8Array,
    madeMs: number,
    nowMs: number,
  ): Outcome {
    const { nodeId, epoch, sequence } = announcement;
    const before = this.#entries.get(nodeId);
    const bytesAfter = this.#bytes - (before?.signed?.bytes.length ?? 0) + bytes.length;
    if (bytesAfter > ANNOUNCEMENTS_BYTES_MAX) return this.#count("full");
    // One place is this node's own.
    if (before === undefined && !this.#hasRoom()) return this.#count("full");
    const bucket =
      before?.bucket ?? new TokenBucket({ perSec: ACCEPT_PER_SEC, burst: ACCEPT_BURST }, nowMs);
    bucket.take(1, nowMs);
    // A copy: the bytes may be a view of a large request.
    const signed = { announcement, bytes: new Uint8Array(bytes) };
    this.#entries.set(nodeId, { nodeId, epoch, sequence, signed, madeMs, bucket });
    this.#bytes = bytesAfter;
    this.counters.accepted++;
    return { type: "new", number: { nodeId, epoch, sequence } };
  }

  /** An ended one makes room for a new node. */
  #hasRoom(): boolean {
    if (this.#entries.size < ROUTE_NODES_MAX - 1) return true;
    for (const { nodeId, signed } of this.#entries.values()) {
      if (signed === undefined) return this.#entries.delete(nodeId);
    }
    return false;
  }

  #wait(nodeId: NodeId, bytes: Uint8Array, madeMs: number): Outcome {
    this.#forgetWaiting(nodeId);
    this.#waiting.set(nodeId, { bytes: new Uint8Array(bytes), madeMs });
    this.#waitingBytes += bytes.length;
    for (const oldest of this.#waiting.keys()) {
      const isWithin =
        this.#waiting.size <= PENDING_ANNOUNCEMENTS_MAX && this.#waitingBytes <= PENDING_BYTES_MAX;
      if (isWithin) break;
      this.#forgetWaiting(oldest);
    }
    return this.#count("pending");
  }

  #forgetWaiting(nodeId: NodeId): void {
    const waiting = this.#waiting.get(nodeId);
    if (waiting === undefined) return;
    this.#waiting.delete(nodeId);
    this.#waitingBytes -= waiting.bytes.length;
  }

  #count(type: "pending" | "throttled" | "full" | "malformed" | "forged"): Outcome {
    this.counters[type]++;
    return { type };
  }
}

function numberOf(bytes: Uint8Array): AnnouncementNumber | undefined {
  try {
    return announcementNumber(bytes);
  } catch {
    return undefined;
  }
}

function decoded(bytes: Uint8Array): RouteAnnouncement | undefined {
  try {
    return decodeAnnouncement(bytes);
  } catch {
    return undefined;
  }
}
