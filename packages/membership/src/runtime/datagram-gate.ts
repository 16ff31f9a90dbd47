/**
 * Where datagrams of others come in: what is cheap is checked first, what is refused is counted,
 * and nothing that a stranger sends throws.
 */
import type { NodeId } from "@hearthmesh/core";
import { decodeDatagram } from "../datagram-codec.js";
import type { SwimMessage } from "../swim/messages.js";
import type { Counting } from "./counters.js";
import type { DatagramSealer, SealPeer } from "./datagram-seal.js";
import type { FloodGuard } from "./flood-guard.js";

export interface DatagramGateOptions {
  readonly sealer: DatagramSealer;
  readonly guard: FloodGuard;
  readonly counting: Counting;
  /** By `shortIdOf`. */
  findPeer(shortId: string): SealPeer | undefined;
}

export class DatagramGate {
  readonly #options: DatagramGateOptions;

  constructor(options: DatagramGateOptions) {
    this.#options = options;
  }

  /** The message of a sealed datagram, or undefined. */
  fromUdp(bytes: Uint8Array, source: string, nowMs: number): SwimMessage | undefined {
    const { sealer, guard, counting, findPeer } = this.#options;
    const head = sealer.inspect(bytes, findPeer);
    if (typeof head === "string") {
      counting.refuse(head);
      return undefined;
    }
    if (!guard.mayOpen(source, nowMs)) {
      counting.refuse("flood");
      return undefined;
    }
    const plain = sealer.open(bytes, head);
    if (typeof plain === "string") {
      if (plain === "forged") guard.sawForged(source, nowMs);
      counting.refuse(plain);
      return undefined;
    }
    return this.#read(plain, head.peer.nodeId, nowMs);
  }

  /** The message of a datagram that came on a link of this peer, or undefined. */
  fromLink(bytes: Uint8Array, peer: NodeId, nowMs: number): SwimMessage | undefined {
    const message = this.#read(bytes, peer, nowMs);
    if (message !== undefined) this.#options.counting.linkDatagramsIn++;
    return message;
  }

  #read(bytes: Uint8Array, sender: NodeId, nowMs: number): SwimMessage | undefined {
    const { guard, counting } = this.#options;
    if (!guard.mayTake(sender, nowMs)) {
      counting.refuse("flood");
      return undefined;
    }
    const message = decoded(bytes);
    if (message?.from !== sender) {
      counting.refuse(message === undefined ? "unreadable" : "impostor");
      return undefined;
    }
    counting.datagramsIn++;
    return message;
  }
}

function decoded(bytes: Uint8Array): SwimMessage | undefined {
  try {
    return decodeDatagram(bytes);
  } catch {
    return undefined;
  }
}
