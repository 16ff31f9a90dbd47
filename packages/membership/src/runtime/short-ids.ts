/** Finds nodes by the first bytes of their ids, as the heads of sealed datagrams name them. */
import type { NodeId } from "@hearthmesh/core";
import { NODES_MAX } from "../limits.js";
import { shortIdOf } from "./datagram-seal.js";

export class ShortIds {
  readonly #ids = new Map<string, NodeId>();

  /** The one that was added longest ago is forgotten beyond the limit. */
  add(nodeId: NodeId): void {
    const shortId = shortIdOf(nodeId);
    this.#ids.delete(shortId);
    this.#ids.set(shortId, nodeId);
    const [oldest] = this.#ids.keys();
    if (this.#ids.size > NODES_MAX && oldest !== undefined) this.#ids.delete(oldest);
  }

  find(shortId: string): NodeId | undefined {
    return this.#ids.get(shortId);
  }
}
