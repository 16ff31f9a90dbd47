/**
 * What is to be spread, the least often sent first. There is one claim for each node: a newer one
 * takes the place of the older. A claim is given to as many datagrams as it takes to reach
 * everybody with near certainty (a few times the logarithm of the nodes), and then dropped.
 */
import type { NodeId } from "@hearthmesh/core";
import { DATAGRAM_CLAIMS_MAX } from "../limits.js";
import type { Claim } from "./messages.js";

interface Queued {
  readonly claim: Claim;
  sent: number;
}

/** Above what the codec needs for a suspicion, and for the fixed parts of a record. */
const BELIEF_BYTES_MAX = 80;
const RECORD_BYTES_MAX = 64;

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
  readonly #queued = new Map<NodeId, Queued>();

  get size(): number {
    return this.#queued.size;
  }

  add(claim: Claim): void {
    this.#queued.set(aboutWhom(claim), { claim, sent: 0 });
  }

  forget(nodeId: NodeId): void {
    this.#queued.delete(nodeId);
  }

  /** The claims of one datagram, which have room in `bytes`; each is given `timesMax` times. */
  take(bytes: number, timesMax: number, besides?: NodeId): Claim[] {
    const claims: Claim[] = [];
    let left = bytes;
    const byNeed = [...this.#queued].sort(([, a], [, b]) => a.sent - b.sent);
    for (const [nodeId, queued] of byNeed) {
      if (claims.length >= DATAGRAM_CLAIMS_MAX) break;
      const needed = claimBytesMax(queued.claim);
      if (nodeId === besides || needed > left) continue;
      left -= needed;
      claims.push(queued.claim);
      if (++queued.sent >= timesMax) this.#queued.delete(nodeId);
    }
    return claims;
  }
}
