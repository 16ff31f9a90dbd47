/** Accepts links, and bounds what strangers can make this side do before they are verified. */
import { QWormholeError } from "./errors.js";
import { hostOfAddressText } from "./ip-address.js";
import { HALF_OPEN_MAX, HALF_OPEN_PER_ADDRESS_MAX, LINKS_MAX } from "./limits.js";
import type { Link, LinkOptions } from "./link.js";
import { openLink } from "./open-link.js";
import type { Address, Channel, Listener, Transport } from "./transport.js";

export interface ListenLinksOptions extends LinkOptions {
  /** Handshakes under way at once, in all and from one address. */
  halfOpenMax?: number;
  halfOpenPerAddressMax?: number;
  linksMax?: number;
}

export interface LinkListener extends Listener {
  readonly links: ReadonlySet<Link>;
  /** Handshakes under way. */
  readonly halfOpenCount: number;
  /** Handshakes that failed or were not begun because of a limit. */
  readonly refusedCount: number;
  /** Closes every link as `Link.close` does. */
  closeLinks(reason?: string, drainMs?: number): Promise<void>;
}

/**
 * `onLink` is called for each verified link before anything of it is delivered. `onRefused` is
 * called for every handshake that failed; `listenLinks` itself rejects with `QW_ADDRESS_IN_USE` or
 * `QW_LISTEN_FAILED`.
 */
export async function listenLinks(
  transport: Transport,
  address: Address,
  options: ListenLinksOptions,
  onLink: (link: Link) => void,
  onRefused?: (error: Error, remoteAddress: string) => void,
): Promise<LinkListener> {
  const door = new Door(options, onLink, onRefused);
  const listener = await transport.listen(address, (channel) => door.admit(channel));
  return {
    address: listener.address,
    links: door.links,
    get halfOpenCount() {
      return door.halfOpenCount;
    },
    get refusedCount() {
      return door.refusedCount;
    },
    close: () => listener.close(),
    closeLinks: async (reason, drainMs) => {
      await Promise.all([...door.links].map((link) => link.close(reason, drainMs)));
    },
  };
}

class Door {
  readonly links = new Set<Link>();
  readonly #options: ListenLinksOptions;
  readonly #onLink: (link: Link) => void;
  readonly #onRefused: ((error: Error, remoteAddress: string) => void) | undefined;
  readonly #perAddress = new Map<string, number>();
  halfOpenCount = 0;
  refusedCount = 0;

  constructor(
    options: ListenLinksOptions,
    onLink: (link: Link) => void,
    onRefused: ((error: Error, remoteAddress: string) => void) | undefined,
  ) {
    this.#options = options;
    this.#onLink = onLink;
    this.#onRefused = onRefused;
  }

  async admit(channel: Channel): Promise<void> {
    const { remoteAddress } = channel;
    const host = hostOfAddressText(remoteAddress);
    try {
      this.#enter(host);
    } catch (error) {
      channel.setHandlers({ onData() {}, onDrain() {}, onClose() {} });
      channel.destroy();
      this.#refuse(error as Error, remoteAddress);
      return;
    }
    let inside = true;
    const leave = () => {
      if (inside) this.#leave(host);
      inside = false;
    };
    try {
      await openLink(channel, "listener", this.#options, (link) => {
        leave();
        this.#keep(link);
      });
    } catch (error) {
      leave();
      this.#refuse(error as Error, remoteAddress);
    }
  }

  #enter(host: string): void {
    const options = this.#options;
    const sameAddress = this.#perAddress.get(host) ?? 0;
    const full =
      this.halfOpenCount >= (options.halfOpenMax ?? HALF_OPEN_MAX) ||
      sameAddress >= (options.halfOpenPerAddressMax ?? HALF_OPEN_PER_ADDRESS_MAX) ||
      this.#isFull;
    if (full) throw new QWormholeError("QW_CONNECTIONS_LIMIT");
    this.halfOpenCount++;
    this.#perAddress.set(host, sameAddress + 1);
  }

  #leave(host: string): void {
    this.halfOpenCount--;
    const sameAddress = (this.#perAddress.get(host) ?? 1) - 1;
    if (sameAddress === 0) this.#perAddress.delete(host);
    else this.#perAddress.set(host, sameAddress);
  }

  get #isFull(): boolean {
    return this.links.size >= (this.#options.linksMax ?? LINKS_MAX);
  }

  /** Throws `QW_CONNECTIONS_LIMIT` when others have taken the last places during the handshake. */
  #keep(link: Link): void {
    if (this.#isFull) throw new QWormholeError("QW_CONNECTIONS_LIMIT");
    this.links.add(link);
    link.closed.then(() => this.links.delete(link));
    this.#onLink(link);
  }

  #refuse(error: Error, remoteAddress: string): void {
    this.refusedCount++;
    this.#onRefused?.(error, remoteAddress);
  }
}
