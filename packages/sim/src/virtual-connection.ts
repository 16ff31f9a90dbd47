/** Two channels joined by two flows, and what the network does to both. */
import { QWormholeError } from "@hearthmesh/qwormhole";
import type { NetworkFabric } from "./network-fabric.js";
import { VirtualChannel } from "./virtual-channel.js";
import { VirtualFlow } from "./virtual-flow.js";
import type { VirtualHost } from "./virtual-host.js";

export interface VirtualConnectionOptions {
  dialer: { host: VirtualHost; address: string; certificates: readonly Uint8Array[] };
  listener: { host: VirtualHost; address: string; certificates: readonly Uint8Array[] };
  onGone?: () => void;
}

/** How often a kernel has unread bytes when its process closes a connection. */
const RESET_ON_DESTROY = 0.5;

type Side = "dialer" | "listener";

export class VirtualConnection {
  readonly dialer: VirtualChannel;
  readonly listener: VirtualChannel;
  readonly #network: NetworkFabric;
  readonly #options: VirtualConnectionOptions;
  readonly #flows: Record<Side, VirtualFlow>;
  #openEnds = 2;

  constructor(network: NetworkFabric, options: VirtualConnectionOptions) {
    this.#network = network;
    this.#options = options;
    const binding = network.random.bytes(32);
    this.dialer = this.#makeEnd("dialer", binding);
    this.listener = this.#makeEnd("listener", binding);
    this.#flows = { dialer: this.#makeFlow("dialer"), listener: this.#makeFlow("listener") };
    this.dialer.connect(this.#flows.dialer, this.#flows.listener);
    this.listener.connect(this.#flows.listener, this.#flows.dialer);
  }

  get hosts(): string[] {
    return [this.#options.dialer.host.name, this.#options.listener.host.name];
  }

  wake(): void {
    this.#flows.dialer.wake();
    this.#flows.listener.wake();
  }

  /** The kernel of this host tells the other side that the connection is no more. */
  resetFrom(hostName: string): void {
    this.#sendReset(this.#options.dialer.host.name === hostName ? "dialer" : "listener");
  }

  breakBoth(): void {
    const error = new QWormholeError("QW_LINK_LOST", { message: "the connection was reset" });
    this.dialer.network.reset(error);
    this.listener.network.reset(error);
  }

  #makeEnd(side: Side, binding: Uint8Array): VirtualChannel {
    const [own, other] = [this.#options[side], this.#options[otherSide(side)]];
    const channel = new VirtualChannel({
      localAddress: own.address,
      remoteAddress: other.address,
      binding,
      peerCertificates: other.certificates,
      sendReset: () => this.#sendReset(side),
      resetsOnDestroy: () => this.#network.random.chance(RESET_ON_DESTROY),
      onGone: () => {
        own.host.channels.delete(channel);
        this.#noteGone();
      },
    });
    own.host.channels.add(channel);
    return channel;
  }

  /** The flow from this side to the other. */
  #makeFlow(side: Side): VirtualFlow {
    const network = this.#network;
    const from = this.#options[side].host;
    const to = this.#options[otherSide(side)].host;
    return new VirtualFlow({
      clock: network.clock,
      path: network.path(from.name, to.name),
      reversePath: network.path(to.name, from.name),
      events: {
        onArrive: (content) => {
          const isTaken = this[otherSide(side)].network.arrive(content);
          if (isTaken) {
            const size = typeof content === "string" ? content : content.length;
            network.trace?.record(`${from.name}>${to.name}`, String(size), { quiet: true });
          }
          return isTaken;
        },
        onSent: () => this[side].network.sent(),
        onGiveUp: () =>
          this[side].network.reset(
            new QWormholeError("QW_LINK_LOST", {
              message: "the peer has not answered for a minute",
            }),
          ),
        receiverReadyAtMs: () => (to.hasPower ? to.stalledUntilMs : "never"),
      },
    });
  }

  /** A reset is one packet that nobody repeats: a cut swallows it, and the peer stays half-open. */
  #sendReset(from: Side): void {
    const [sender, receiver] = [this.#options[from].host, this.#options[otherSide(from)].host];
    const path = this.#network.path(sender.name, receiver.name);
    const delayMs = path.arrivalMs(0) - this.#network.clock.monotonicMs();
    this.#network.clock.setTimeout(() => {
      if (path.isCut || !sender.hasPower || !receiver.hasPower) return;
      const error = new QWormholeError("QW_LINK_LOST", {
        message: "the peer reset the connection",
      });
      this[otherSide(from)].network.reset(error);
    }, delayMs);
  }

  #noteGone(): void {
    this.#openEnds--;
    if (this.#openEnds === 0) this.#options.onGone?.();
  }
}

function otherSide(side: Side): Side {
  return side === "dialer" ? "listener" : "dialer";
}
