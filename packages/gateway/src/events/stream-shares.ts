/**
 * How the places for event streams are shared: nobody has more than `EVENT_STREAMS_OF_ONE_MAX`, and
 * all but the operator of this machine together leave that many free for him. So no caller can shut
 * out the others, and nobody the person who looks why.
 */
import { MeshError } from "@hearthmesh/core";
import type { Caller } from "../server/policy.js";
import { EVENT_HEARTBEAT_MS, EVENT_STREAMS_MAX, EVENT_STREAMS_OF_ONE_MAX } from "./limits.js";

export interface StreamOwner {
  /** Whose places are counted together. */
  readonly id: string;
  readonly isLocalOperator: boolean;
}

export const LOCAL_OPERATOR: StreamOwner = { id: "operator", isLocalOperator: true };

/** By identity; who shows none, such as a viewer, by address. */
export function streamOwner(
  { keyId, proved, operator, principal }: Caller,
  address: string,
): StreamOwner {
  if (keyId !== undefined) return { id: `key ${keyId}`, isLocalOperator: false };
  if (proved) return { id: principal.spiffeId, isLocalOperator: false };
  if (operator) return LOCAL_OPERATOR;
  return { id: `address ${address}`, isLocalOperator: false };
}

export class StreamShares {
  readonly #open = new Map<string, number>();
  #total = 0;
  #ofOperator = 0;

  /** Takes a place; returns how to give it back, once. `MESH_LIMIT` when there is none. */
  take(owner: StreamOwner): () => void {
    const own = this.#open.get(owner.id) ?? 0;
    if (own >= EVENT_STREAMS_OF_ONE_MAX) {
      throw full(`you have ${own} event streams open already, as many as one caller may`);
    }
    const othersMax = EVENT_STREAMS_MAX - EVENT_STREAMS_OF_ONE_MAX;
    if (!owner.isLocalOperator && this.#total - this.#ofOperator >= othersMax) {
      throw full(`${othersMax} event streams of other callers are open already`);
    }
    this.#count(owner, 1);
    let isTaken = true;
    return () => {
      if (isTaken) this.#count(owner, -1);
      isTaken = false;
    };
  }

  #count({ id, isLocalOperator }: StreamOwner, change: 1 | -1): void {
    const open = (this.#open.get(id) ?? 0) + change;
    if (open === 0) this.#open.delete(id);
    else this.#open.set(id, open);
    this.#total += change;
    if (isLocalOperator) this.#ofOperator += change;
  }
}

function full(message: string): MeshError {
  return new MeshError("MESH_LIMIT", {
    message,
    hint: "Close one of them, or let several readers share one stream.",
    details: { retryAfterMs: EVENT_HEARTBEAT_MS },
  });
}
