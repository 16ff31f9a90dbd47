/** One machine on the simulated network: its power, its process, its open ports and connections. */
import type { Address, Channel } from "@hearthmesh/qwormhole";
import type { VirtualChannel } from "./virtual-channel.js";

/** First port given to a listener or dialer that named none. */
const EPHEMERAL_PORT_FIRST = 49_152;

export interface OpenPort {
  readonly address: Address;
  /** Shown to dialers. */
  readonly certificates: readonly Uint8Array[];
  onChannel(channel: Channel): void;
}

export class VirtualHost {
  readonly name: string;
  readonly ports = new Map<number, OpenPort>();
  readonly channels = new Set<VirtualChannel>();
  /** Counts processes: what belongs to an earlier one is dead. */
  process = 0;
  hasPower = true;
  stalledUntilMs = 0;
  #nextPort = EPHEMERAL_PORT_FIRST;

  constructor(name: string) {
    this.name = name;
  }

  freePort(): number {
    while (this.ports.has(this.#nextPort)) this.#nextPort++;
    return this.#nextPort++;
  }

  /** Ends everything of the present process; the local code hears nothing of it. */
  endProcess(): VirtualChannel[] {
    this.process++;
    this.stalledUntilMs = 0;
    this.ports.clear();
    const channels = [...this.channels];
    this.channels.clear();
    for (const channel of channels) channel.network.die();
    return channels;
  }
}
