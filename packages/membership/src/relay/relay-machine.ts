/**
 * Decides what a relay passes on, without passing anything itself: no I/O, no clock.
 *
 * A stream: asked for (`open`) -> refused; or accepted (its path ends here); or forwarded (`moved`,
 * `waitMs`, `dueMs` while it lives) -> `closed`, once.
 *
 * Invariants: a stream is counted as open from `open` to `closed`; its path never holds a node
 * twice, nor this node, its origin or the node it came from again, and there are at most
 * `RELAY_HOPS_MAX` relays from end to end; over any time T at most `rate * T` bytes pass, and a
 * burst, and a piece of each stream; what was above it is a debt that is waited for.
 *
 * Who is limited: the neighbour whose link the stream came over, because the link proves only that
 * one. For the first relay it is the origin. A neighbour that is itself a relay answers for all
 * that it passes on, so an origin that lies about itself gains nothing; the target compares the
 * claim with the key of the link inside.
 *
 * Errors: `MESH_RELAY_REFUSED` when this node is no relay; `MESH_BAD_REQUEST` for a header or path
 * that makes no sense; `MESH_LIMIT` at a limit, whose details say which one and whose
 * (`{ limit, of, max }`).
 */
import { MeshError, type NodeId } from "@hearthmesh/core";
import { TokenBucket } from "@hearthmesh/qwormhole";
import {
  RELAY_ACCEPTED_MAX,
  RELAY_ACCEPTED_PER_PEER_MAX,
  RELAY_BURST_BYTES_MIN,
  RELAY_BURST_MS,
  RELAY_HOPS_MAX,
} from "./limits.js";
import { RelayCounters, type RelayRefusal } from "./relay-counters.js";
import { decodeRelayHeader, type RelayHeader } from "./relay-header.js";
import { checkedRelayPolicy, type RelayPolicy } from "./relay-policy.js";

export type RelayDecision =
  | { readonly type: "accept"; readonly ticket: RelayTicket; readonly header: RelayHeader }
  | {
      readonly type: "forward";
      readonly ticket: RelayTicket;
      readonly nextHop: NodeId;
      /** For the stream to the next hop. */
      readonly header: RelayHeader;
    }
  | { readonly type: "refuse"; readonly reason: RelayRefusal; readonly error: MeshError };

/** One stream of a neighbour; made by `open`. */
export interface RelayTicket {
  readonly from: NodeId;
  readonly isForwarded: boolean;
}

interface Stream extends RelayTicket {
  readonly openedMs: number;
  movedMs: number;
  bytes: number;
  isOpen: boolean;
}

export class RelayMachine {
  readonly #self: NodeId;
  readonly counters = new RelayCounters();
  readonly #accepted = new Map<NodeId, number>();
  #acceptedCount = 0;
  #policy: RelayPolicy;
  #bucket: TokenBucket | undefined;
  /** Of the neighbours that have streams open, and of those that are still in debt. */
  readonly #peerBuckets = new Map<NodeId, TokenBucket>();

  constructor(self: NodeId, policy: RelayPolicy, nowMs: number) {
    this.#self = self;
    this.#policy = checkedRelayPolicy(policy);
    this.#bucket = bucketOf(policy.bytesPerSecMax, nowMs);
  }

  get policy(): RelayPolicy {
    return this.#policy;
  }

  /** For open streams too; `enabled: false` stops new ones only. Throws `MESH_CONFIG_INVALID`. */
  setPolicy(policy: RelayPolicy, nowMs: number): void {
    this.#policy = checkedRelayPolicy(policy);
    this.#bucket = bucketOf(policy.bytesPerSecMax, nowMs);
    this.#peerBuckets.clear();
  }

  open(from: NodeId, headerBytes: Uint8Array, nowMs: number): RelayDecision {
    let header: RelayHeader;
    try {
      header = decodeRelayHeader(headerBytes);
    } catch (error) {
      return this.#refuse(from, "header", error as MeshError);
    }
    const wrong = this.#whatIsWrong(from, header);
    if (wrong !== undefined) {
      const message = `a relayed stream was refused: ${wrong}`;
      return this.#refuse(from, "path", new MeshError("MESH_BAD_REQUEST", { message }));
    }
    const [, nextHop] = header.path;
    if (nextHop === undefined) return this.#accept(from, header, nowMs);
    if (!this.#policy.enabled) {
      return this.#refuse(from, "disabled", new MeshError("MESH_RELAY_REFUSED"));
    }
    const full = this.#fullFor(from);
    if (full !== undefined) return this.#refuse(from, "streams", full);
    this.#forgetBuckets(nowMs);
    this.counters.opened(from);
    const { path, origin, via } = header;
    return {
      type: "forward",
      ticket: ticketOf(from, true, nowMs),
      nextHop,
      header: { path: path.slice(1), origin, via: [...via, this.#self] },
    };
  }

  /** 0 when the stream's next bytes may go, else the time until then. */
  waitMs(ticket: RelayTicket, nowMs: number): number {
    const all = this.#bucket?.waitMs(nowMs) ?? 0;
    return Math.max(all, this.#bucketFor(ticket.from, nowMs)?.waitMs(nowMs) ?? 0);
  }

  /** Bytes that pass, in either direction. An error: they may not, and the stream has to end. */
  moved(ticket: RelayTicket, bytes: number, nowMs: number): MeshError | undefined {
    const stream = ticket as Stream;
    const max = this.#policy.streamBytesMax;
    if (max > 0 && stream.bytes + bytes > max) {
      return this.#overLimit(stream, "bytes", `streams of at most ${max} bytes`, max);
    }
    stream.bytes += bytes;
    stream.movedMs = nowMs;
    this.counters.moved(stream.from, bytes);
    this.#bucket?.take(bytes, nowMs);
    this.#bucketFor(stream.from, nowMs)?.take(bytes, nowMs);
    return undefined;
  }

  /** When to ask `expired` again; undefined: never. */
  dueMs(ticket: RelayTicket): number | undefined {
    const { openedMs, movedMs } = ticket as Stream;
    const { streamMsMax, idleMsMax } = this.#policy;
    const due = Math.min(
      streamMsMax > 0 ? openedMs + streamMsMax : Number.POSITIVE_INFINITY,
      idleMsMax > 0 ? movedMs + idleMsMax : Number.POSITIVE_INFINITY,
    );
    return Number.isFinite(due) ? due : undefined;
  }

  /** An error: the stream has to end. */
  expired(ticket: RelayTicket, nowMs: number): MeshError | undefined {
    const stream = ticket as Stream;
    const { streamMsMax, idleMsMax } = this.#policy;
    if (streamMsMax > 0 && nowMs - stream.openedMs >= streamMsMax) {
      return this.#overLimit(stream, "time", `streams for ${streamMsMax} ms`, streamMsMax);
    }
    if (idleMsMax > 0 && nowMs - stream.movedMs >= idleMsMax) {
      return this.#overLimit(stream, "idle", `a silent stream for ${idleMsMax} ms`, idleMsMax);
    }
    return undefined;
  }

  /** The stream came to nothing for a reason that lies outside of this machine. */
  failed(ticket: RelayTicket, reason: RelayRefusal): void {
    this.counters.refused(ticket.from, reason);
  }

  /** May be called again. */
  closed(ticket: RelayTicket): void {
    const stream = ticket as Stream;
    if (!stream.isOpen) return;
    stream.isOpen = false;
    const { from } = stream;
    if (!stream.isForwarded) {
      this.#acceptedCount--;
      const left = (this.#accepted.get(from) ?? 1) - 1;
      if (left === 0) this.#accepted.delete(from);
      else this.#accepted.set(from, left);
      return;
    }
    this.counters.closed(from);
  }

  /** Each is a way to make streams run in circles, or to make others believe what is not so. */
  #whatIsWrong(from: NodeId, { path, origin, via }: RelayHeader): string | undefined {
    if (path[0] !== this.#self) return "its path does not begin with this node";
    const hops = [origin, ...via, ...path];
    if (new Set(hops).size !== hops.length) return "its path leads to a node twice";
    const relays = via.length + path.length - 1;
    if (relays > RELAY_HOPS_MAX) return `its path has more than ${RELAY_HOPS_MAX} relays`;
    const previous = via.at(-1) ?? origin;
    if (previous !== from) return "it came from another node than its header says";
    return undefined;
  }

  #accept(from: NodeId, header: RelayHeader, nowMs: number): RelayDecision {
    const own = this.#accepted.get(from) ?? 0;
    if (this.#acceptedCount >= RELAY_ACCEPTED_MAX || own >= RELAY_ACCEPTED_PER_PEER_MAX) {
      const ofAll = this.#acceptedCount >= RELAY_ACCEPTED_MAX;
      const max = ofAll ? RELAY_ACCEPTED_MAX : RELAY_ACCEPTED_PER_PEER_MAX;
      const error = limitError("streams", ofAll ? "all" : from, `${max} relayed links`, max);
      return this.#refuse(from, "streams", error);
    }
    this.#acceptedCount++;
    this.#accepted.set(from, own + 1);
    return { type: "accept", ticket: ticketOf(from, false, nowMs), header };
  }

  #fullFor(from: NodeId): MeshError | undefined {
    const { streamsMax, streamsPerPeerMax } = this.#policy;
    if (streamsMax > 0 && this.counters.all().openStreams >= streamsMax) {
      return limitError("streams", "all", `${streamsMax} streams at once`, streamsMax);
    }
    if (streamsPerPeerMax > 0 && this.counters.openStreams(from) >= streamsPerPeerMax) {
      const allowed = `${streamsPerPeerMax} streams at once`;
      return limitError("streams", from, allowed, streamsPerPeerMax);
    }
    return undefined;
  }

  #bucketFor(from: NodeId, nowMs: number): TokenBucket | undefined {
    const existing = this.#peerBuckets.get(from);
    if (existing !== undefined) return existing;
    const bucket = bucketOf(this.#policy.bytesPerSecPerPeerMax, nowMs);
    if (bucket !== undefined) this.#peerBuckets.set(from, bucket);
    return bucket;
  }

  /** Who comes again to be rid of a debt still has it. */
  #forgetBuckets(nowMs: number): void {
    for (const [peer, bucket] of this.#peerBuckets) {
      const isUsed = this.counters.openStreams(peer) > 0;
      if (!isUsed && bucket.waitMs(nowMs) === 0) this.#peerBuckets.delete(peer);
    }
  }

  #overLimit(stream: Stream, reason: RelayRefusal, allowed: string, max: number): MeshError {
    this.counters.refused(stream.from, reason);
    return limitError(reason, stream.from, allowed, max);
  }

  #refuse(from: NodeId, reason: RelayRefusal, error: MeshError): RelayDecision {
    this.counters.refused(from, reason);
    return { type: "refuse", reason, error };
  }
}

function ticketOf(from: NodeId, isForwarded: boolean, nowMs: number): Stream {
  return { from, isForwarded, openedMs: nowMs, movedMs: nowMs, bytes: 0, isOpen: true };
}

function bucketOf(perSec: number, nowMs: number): TokenBucket | undefined {
  if (perSec === 0) return undefined;
  const burst = Math.max(RELAY_BURST_BYTES_MIN, (perSec * RELAY_BURST_MS) / 1000);
  return new TokenBucket({ perSec, burst }, nowMs);
}

function limitError(limit: RelayRefusal, of: NodeId | "all", allowed: string, max: number) {
  const whom = of === "all" ? "for everybody together" : `for ${of}`;
  return new MeshError("MESH_LIMIT", {
    message: `the relay passes on ${allowed} ${whom}`,
    hint: "Who runs the relay sets its limits (`mesh.relay.*`); a direct link has none of them.",
    details: { limit, of, max },
  });
}
