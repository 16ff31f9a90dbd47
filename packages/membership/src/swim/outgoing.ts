/** What a step of the machine sends: datagrams that are filled with news as they are made. */
import type { NodeId } from "@hearthmesh/core";
import { PLAIN_DATAGRAM_BYTES_MAX } from "../limits.js";
import type { SwimConfig } from "./config.js";
import { claimBytesMax } from "./gossip-queue.js";
import type { SwimMessage } from "./messages.js";
import type { SwimEffect } from "./swim-events.js";
import type { View } from "./view.js";

/** What a datagram needs beside its claims. */
const HEAD_BYTES_MAX = 256;

type DistributiveOmit<Union, Keys extends PropertyKey> = Union extends unknown
  ? Omit<Union, Keys>
  : never;

export type MessageHead = DistributiveOmit<SwimMessage, "from" | "claims">;

export class Outgoing {
  /** Of the step that is under way. */
  effects: SwimEffect[] = [];
  readonly #config: SwimConfig;
  readonly #view: View;

  constructor(config: SwimConfig, view: View) {
    this.#config = config;
    this.#view = view;
  }

  /** `about` hears first what is believed of it. */
  send(to: NodeId, address: string, head: MessageHead, about?: NodeId): void {
    const first = about === undefined ? [] : this.#view.accusationsOf(about);
    const used = first.reduce((sum, claim) => sum + claimBytesMax(claim), 0);
    const { retransmitFactor } = this.#config;
    const timesMax = retransmitFactor * Math.ceil(Math.log10(this.#view.presentCount + 1));
    const room = PLAIN_DATAGRAM_BYTES_MAX - HEAD_BYTES_MAX - used;
    const news = this.#view.gossip.take(room, timesMax, first.length > 0 ? about : undefined);
    const { nodeId: from } = this.#view.self;
    const message = { ...head, from, claims: [...first, ...news] };
    this.effects.push({ type: "send", to, address, message });
  }

  exchange(to: NodeId | undefined, address: string): void {
    this.effects.push({ type: "exchange", to, address });
  }
}
