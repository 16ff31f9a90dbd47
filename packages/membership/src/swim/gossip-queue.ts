/**
 * What is to be spread, the least often sent first. There is one claim for each node: a newer one
 * takes the place of the older. A claim is given to as many datagrams as it takes to reach
 * everybody with near certainty (a few times the logarithm of the nodes), and then dropped.
 */
import type { NodeId } from "@hearthmesh/core";
import { DATAGRAM_CLAIMS_MAX } from "../limits.js";
import type { Claim } from "./messages.js";

/** Above what the codec needs for a suspicion, and for the fixed parts of a record. */
const BELIEF_BYTES_MAX = 80;
const RECORD_BYTES_MAX = 64;
/** Claims that are looked at for one datagram and have no room in it. */
const MISFITS_MAX = 16;

/** No claim is larger than this as bytes. */
export function claimBytesMax(claim: Claim): number {
  if (claim.kind !== "self") return BELIEF_BYTES_MAX;
  const { name, address, meta, proof } = claim.record;
  const texts = Buffer.byteLength(name) + Buffer.byteLength(address);
  return RECORD_BYTES_MAX + texts + meta.length + proof.length;
}

function aboutWhom(claim: Claim): NodeId {
  return claim.kind === "self" ? claim.record.nodeId : claim.nodeId;
}

export class GossipQueue {
  /** By how often they were given; in each the one that got there first comes first. */
  readonly #bySent: Map<NodeId, Claim>[] = [];
  readonly #sentOf = new Map<NodeId, number>();

  get size(): number {
    return this.#sentOf.size;
  }

  add(claim: Claim): void {
    const nodeId = aboutWhom(claim);
    this.forget(nodeId);
    this.#put(nodeId, claim, 0);
  }

  forget(nodeId: NodeId): void {
    const sent = this.#sentOf.get(nodeId);
    if (sent === undefined) return;
    this.#bySent[sent]?.delete(nodeId);
    this.#sentOf.delete(nodeId);
  }

  /** The claims of one datagram, which have room in `bytes`; each is given `timesMax` times. */
  take(bytes: number, timesMax: number, besides?: NodeId): Claim[] {
    const claims = this.#choose(bytes, besides);
    for (const claim of claims) {
      const nodeId = aboutWhom(claim);
      const sent = (this.#sentOf.get(nodeId) ?? 0) + 1;
      this.forget(nodeId);
      if (sent < timesMax) this.#put(nodeId, claim, sent);
    }
    return claims;
  }

  /** Looks at no more than go in and some that do not, however many wait. */
  #choose(bytes: number, besides: NodeId | undefined): Claim[] {
    const claims: Claim[] = [];
    let left = bytes;
    let misfits = 0;
    for (const queued of this.#bySent) {
      for (const [nodeId, claim] of queued) {
        const needed = claimBytesMax(claim);
        if (nodeId === besides || needed > left) {
          if (++misfits >= MISFITS_MAX) return claims;
          continue;
        }
        left -= needed;
        claims.push(claim);
        if (claims.length >= DATAGRAM_CLAIMS_MAX) return claims;
      }
    }
    return claims;
  }

  #put(nodeId: NodeId, claim: Claim, sent: number): void {
    while (this.#bySent.length <= sent) this.#bySent.push(new Map());
    this.#bySent[sent]?.set(nodeId, claim);
    this.#sentOf.set(nodeId, sent);
  }
}
