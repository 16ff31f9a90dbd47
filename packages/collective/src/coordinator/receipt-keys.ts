/**
 * The receipt key of each node, derived from the coordinator's secret: nothing is stored, and a
 * restart changes nothing (RFC 2104; one key for one purpose and one node).
 */
import { createHmac } from "node:crypto";
import { limits, type NodeId } from "@hearthmesh/core";

export class ReceiptKeys {
  readonly #secret: Uint8Array;
  readonly #known = new Map<NodeId, Uint8Array>();

  /** `secret`: at least 32 bytes that never leave the coordinator. */
  constructor(secret: Uint8Array) {
    this.#secret = secret;
  }

  keyOf(nodeId: NodeId): Uint8Array {
    const known = this.#known.get(nodeId);
    if (known !== undefined) return known;
    const key = createHmac("sha256", this.#secret)
      .update(`hearthmesh-receipt-key-v1\n${nodeId}`)
      .digest();
    if (this.#known.size < limits.NODES_MAX) this.#known.set(nodeId, key);
    return key;
  }
}
