/** Sends the machine's datagrams the way that `PeerPaths` chooses. */
import { type Clock, errorFields, type Logger, type NodeId } from "@hearthmesh/core";
import { encodeDatagram } from "../datagram-codec.js";
import { PLAIN_DATAGRAM_BYTES_MAX } from "../limits.js";
import type { MeshLinks } from "../ports.js";
import type { SwimEffect } from "../swim/swim-events.js";
import type { Counting } from "./counters.js";
import type { DatagramSealer, SealPeer } from "./datagram-seal.js";
import type { LinkDatagrams } from "./link-datagrams.js";
import type { PeerPaths } from "./peer-paths.js";
import { parseUdpAddress, type UdpSocket } from "./udp-socket.js";

/** Where the message came from that the machine is working on: its answer goes back there. */
export interface Origin {
  readonly nodeId: NodeId;
  readonly way: "udp" | "link";
  /** Over UDP. */
  readonly source: string;
}

export interface DatagramSenderOptions {
  readonly sealer: DatagramSealer;
  readonly paths: PeerPaths;
  readonly linkDatagrams: LinkDatagrams;
  readonly links: MeshLinks;
  readonly counting: Counting;
  readonly clock: Clock;
  readonly log: Logger;
  /** Undefined when its record or certificate is not known. */
  sealPeer(nodeId: NodeId): SealPeer | undefined;
}

export class DatagramSender {
  /** Undefined while there is none, and without UDP. */
  socket: UdpSocket | undefined;
  readonly #options: DatagramSenderOptions;

  constructor(options: DatagramSenderOptions) {
    this.#options = options;
  }

  send(effect: Extract<SwimEffect, { type: "send" }>, origin: Origin | undefined): void {
    const { to, address, message } = effect;
    const { links, paths, clock, counting, linkDatagrams } = this.#options;
    const plain = encodeDatagram(message, PLAIN_DATAGRAM_BYTES_MAX).bytes;
    const peer = this.socket === undefined ? undefined : this.#options.sealPeer(to);
    counting.datagramsOut++;
    if (origin?.nodeId === to) {
      if (origin.way === "link") this.#sendOnLink(to, plain, false);
      else if (peer !== undefined) this.#sendUdp(peer, plain, origin.source);
      return;
    }
    const request = {
      ...{ to, address },
      isPing: message.kind === "ping",
      canSeal: peer !== undefined && parseUdpAddress(address) !== undefined,
      hasLink: links.openLink(to) !== undefined,
    };
    const choice = paths.choose(request, clock.monotonicMs());
    if (choice.udp !== undefined && peer !== undefined) this.#sendUdp(peer, plain, choice.udp);
    // Gossip alone is not worth a new link: the others find another way to pass it on.
    const mayDial = !request.canSeal && message.kind !== "gossip";
    if (choice.link) this.#sendOnLink(to, plain, mayDial);
    // Its own ping stayed without an answer: it may be UDP that does not get through.
    if (message.kind === "ping-request") linkDatagrams.ensure(message.target);
  }

  #sendUdp(peer: SealPeer, plain: Uint8Array, address: string): void {
    const to = parseUdpAddress(address);
    if (to === undefined || this.socket === undefined) return;
    const { sealer, log } = this.#options;
    try {
      this.socket.send(sealer.seal(peer, plain), to);
    } catch (error) {
      log.debug("a datagram could not be sealed", { nodeId: peer.nodeId, ...errorFields(error) });
    }
  }

  #sendOnLink(to: NodeId, plain: Uint8Array, mayDial: boolean): void {
    this.#options.counting.linkDatagramsOut++;
    this.#options.linkDatagrams.send(to, plain, mayDial);
  }
}
