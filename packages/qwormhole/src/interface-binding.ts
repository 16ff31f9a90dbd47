/**
 * Ties a transport to a network interface, such as a WireGuard tunnel: it dials from an address of
 * the interface and listens on one, and has nothing to do with peers outside its networks. The
 * interface is looked at anew for each dial, listen and accepted channel, for tunnels come and go.
 *
 * What this can promise: the addresses are right at both ends. Which wire the packets take is up to
 * the system's routes; on Linux answers to a peer go where the route to its address leads.
 */
import { lookup as lookupHost } from "node:dns/promises";
import { QWormholeError } from "./errors.js";
import {
  addressWithZone,
  hostOfAddressText,
  type IpAddress,
  isLinkLocal,
  isWildcard,
  readIpAddress,
  readIpNetwork,
} from "./ip-address.js";
import type { LinkClock } from "./link.js";
import {
  addressOfInterface,
  type InterfaceAddress,
  isInNetworksOf,
  type NetworkInterfaces,
} from "./network-interfaces.js";
import type { Address, Channel, DialOptions, Transport } from "./transport.js";
import { pollUntil, withinTime } from "./waiting.js";

export interface InterfaceBindingOptions {
  /** Such as `wg0`. Without it only `localAddress` is used and no peer is refused. */
  interfaceName?: string | undefined;
  /** With `interfaceName`: which of its addresses. */
  localAddress?: string | undefined;
  /** Further networks of peers behind the interface, such as `10.0.0.0/16`. */
  interfaceNetworks?: readonly string[] | undefined;
  /** How long a dial or listen waits for the interface, before its own time. Default 5,000. */
  interfaceWaitMs?: number | undefined;
  network: NetworkInterfaces;
  clock: LinkClock;
  /** The addresses of a host name. Default: as the system finds them. */
  lookup?: ((host: string) => Promise<readonly string[]>) | undefined;
  /** A channel was accepted from outside the interface's networks and destroyed. */
  onRefused?: ((error: Error, remoteAddress: string) => void) | undefined;
}

/** Addresses of one host name that are tried. */
const NAME_ADDRESSES_MAX = 8;
const INTERFACE_WAIT_MS_DEFAULT = 5000;
const INTERFACE_POLL_MS = 250;
const DIAL_TIMEOUT_MS_DEFAULT = 5000;

/**
 * `inner` must be a transport of sockets: its addresses are IP addresses. Throws
 * `QW_OPTIONS_INVALID` for a local address or a network that is none.
 *
 * `dial` rejects with `QW_INTERFACE_NOT_FOUND` when the interface, or an address of the family that
 * the target needs, did not appear in time; with `QW_PEER_OUTSIDE_NETWORK` for a target outside,
 * before anything is sent to it; and as `inner` does. `listen` takes a wildcard, which becomes the
 * interface's address of that family, or an address of the interface. A listener stays on that
 * address when the interface gets another.
 */
export function bindToInterface(inner: Transport, options: InterfaceBindingOptions): Transport {
  const localAddress = readLocalAddress(options.localAddress);
  const { interfaceName } = options;
  if (interfaceName !== undefined) {
    return new InterfaceBinding(inner, interfaceName, localAddress, options);
  }
  if (localAddress === undefined) return inner;
  const own = addressWithZone(localAddress);
  return {
    listen({ host, port }, onChannel) {
      const asked = readIpAddress(host);
      const isAny = asked !== undefined && isWildcard(asked);
      return inner.listen({ host: isAny ? own : host, port }, onChannel);
    },
    dial: (address, dialOptions) => inner.dial(address, { localAddress: own, ...dialOptions }),
  };
}

function readLocalAddress(text: string | undefined): IpAddress | undefined {
  if (text === undefined) return undefined;
  const ip = readIpAddress(text);
  if (ip === undefined || isWildcard(ip)) {
    const message = `localAddress is ${JSON.stringify(text)}; it must be one IP address`;
    throw new QWormholeError("QW_OPTIONS_INVALID", { message });
  }
  return ip;
}

class InterfaceBinding implements Transport {
  readonly #inner: Transport;
  readonly #name: string;
  readonly #localAddress: IpAddress | undefined;
  readonly #extraNetworks: readonly string[];
  readonly #options: InterfaceBindingOptions;

  constructor(
    inner: Transport,
    name: string,
    localAddress: IpAddress | undefined,
    options: InterfaceBindingOptions,
  ) {
    this.#inner = inner;
    this.#name = name;
    this.#localAddress = localAddress;
    this.#extraNetworks = options.interfaceNetworks ?? [];
    this.#extraNetworks.forEach(readIpNetwork);
    this.#options = options;
  }

  async listen({ host, port }: Address, onChannel: (channel: Channel) => void) {
    const asked = this.#readListenHost(host);
    const find = () => (isWildcard(asked) ? this.#ownAddressTowards(asked) : this.#own(asked));
    const what = isWildcard(asked) ? `IPv${asked.family} address` : `address ${asked.text}`;
    const own = await this.#whenPresent(find, what);
    return this.#inner.listen({ host: own, port }, (channel) => {
      if (this.#isInside(hostOfAddressText(channel.remoteAddress))) onChannel(channel);
      else this.#refuse(channel);
    });
  }

  #readListenHost(host: string): IpAddress {
    const asked = readIpAddress(host);
    const own = this.#localAddress;
    const invalid = (message: string) => new QWormholeError("QW_OPTIONS_INVALID", { message });
    if (asked === undefined) {
      const allowed = "0.0.0.0, ::, or one of its addresses";
      throw invalid(`on ${this.#name} the host to listen on must be ${allowed}, not ${host}`);
    }
    if (own !== undefined && !isWildcard(asked) && own.text !== asked.text) {
      throw invalid(`the host ${host} is not the localAddress ${own.text}`);
    }
    return asked;
  }

  async dial(address: Address, options: DialOptions = {}): Promise<Channel> {
    const targets = await this.#targetsOf(address.host, options);
    const families = [...new Set(targets.map(({ family }) => `IPv${family}`))].join(" or ");
    const findUsable = () => {
      const usable = targets.filter((target) => this.#ownAddressTowards(target) !== undefined);
      return usable.length === 0 ? undefined : usable;
    };
    const usable = await this.#whenPresent(findUsable, `${families} address`, options.signal);
    const inside = usable.flatMap((target) => {
      const localAddress = this.#ownAddressTowards(target);
      const host = addressWithZone(target);
      const isFit = localAddress !== undefined && this.#isInside(host);
      return isFit ? [{ host, localAddress, family: target.family }] : [];
    });
    if (inside.length === 0) throw this.#outside(usable.map(({ text }) => text).join(", "));
    // The addresses of a name share the time, so that a silent one leaves some to the others.
    const timeoutMs = (options.timeoutMs ?? DIAL_TIMEOUT_MS_DEFAULT) / inside.length;
    let firstError: unknown;
    for (const { host, ...own } of inside) {
      try {
        const dialOptions = { ...options, ...own, timeoutMs };
        return await this.#inner.dial({ host, port: address.port }, dialOptions);
      } catch (error) {
        if (options.signal?.aborted) throw error;
        firstError ??= error;
      }
    }
    throw firstError;
  }

  /** A name is looked up here, so that nothing is sent to an address outside. */
  async #targetsOf(host: string, { signal, family, timeoutMs }: DialOptions) {
    const literal = readIpAddress(host);
    if (literal !== undefined) return [this.#withOwnZone(literal)];
    // Names of the tunnel's peers are often known only to a server behind the tunnel.
    const isThere = () => (this.#entries().length > 0 ? true : undefined);
    await this.#whenPresent(isThere, "address", signal);
    const lookup = this.#options.lookup ?? systemLookup;
    const waitMs = timeoutMs ?? DIAL_TIMEOUT_MS_DEFAULT;
    const found = await withinTime(lookup(host), this.#options.clock, waitMs, signal).catch(
      (cause: Error) => {
        if (cause instanceof QWormholeError) throw cause;
        const message = `the address of ${host} cannot be found: ${cause.message}`;
        throw new QWormholeError("QW_DIAL_FAILED", { message, cause });
      },
    );
    const targets = found
      .flatMap((text) => readIpAddress(text) ?? [])
      .filter((ip) => family === undefined || ip.family === family)
      .map((ip) => this.#withOwnZone(ip));
    if (targets.length > 0) return targets.slice(0, NAME_ADDRESSES_MAX);
    const message = `${host} has no ${family === undefined ? "IP" : `IPv${family}`} address`;
    throw new QWormholeError("QW_DIAL_FAILED", { message });
  }

  /** A link-local address without a zone means the one on this interface. */
  #withOwnZone(ip: IpAddress): IpAddress {
    const needsZone = ip.family === 6 && isLinkLocal(ip) && ip.zone === undefined;
    return needsZone ? { ...ip, zone: this.#name } : ip;
  }

  #refuse(channel: Channel): void {
    const { remoteAddress } = channel;
    channel.destroy();
    this.#options.onRefused?.(this.#outside(hostOfAddressText(remoteAddress)), remoteAddress);
  }

  #isInside(host: string): boolean {
    return isInNetworksOf(this.#options.network.list(), this.#name, host, this.#extraNetworks);
  }

  #outside(host: string): QWormholeError {
    const own = this.#entries().map(({ address, cidr }) => cidr ?? address);
    const networks = [...own, ...this.#extraNetworks].join(", ") || "none";
    const message = `${host} does not lie in the networks of ${this.#name} (${networks})`;
    return new QWormholeError("QW_PEER_OUTSIDE_NETWORK", { message });
  }

  #entries(): InterfaceAddress[] {
    return this.#options.network.list().filter(({ name }) => name === this.#name);
  }

  /** This very address, when the interface has it and it is the one that was asked for. */
  #own(ip: IpAddress): string | undefined {
    const asked = this.#localAddress;
    if (asked !== undefined && asked.text !== ip.text) return undefined;
    const entry = this.#entries().find((own) => readIpAddress(own.address)?.text === ip.text);
    return entry === undefined ? undefined : withZone(entry);
  }

  #ownAddressTowards(target: IpAddress): string | undefined {
    const asked = this.#localAddress;
    if (asked !== undefined) return asked.family === target.family ? this.#own(asked) : undefined;
    const entry = addressOfInterface(this.#options.network.list(), this.#name, target.text);
    return entry === undefined ? undefined : withZone(entry);
  }

  #whenPresent<T>(find: () => T | undefined, what: string, signal?: AbortSignal): Promise<T> {
    const { clock, network, interfaceWaitMs = INTERFACE_WAIT_MS_DEFAULT } = this.#options;
    return pollUntil(find, {
      clock,
      pollMs: INTERFACE_POLL_MS,
      waitMs: interfaceWaitMs,
      signal,
      keepAlive: () => network.keepAlive?.(),
      onTimeout: () => this.#missing(what),
    });
  }

  #missing(what: string): QWormholeError {
    const own = this.#entries().map(({ address }) => address);
    const asked = this.#localAddress;
    const wanted = asked === undefined ? what : `address ${asked.text}`;
    const names = new Set(this.#options.network.list().map(({ name }) => name));
    const others = [...names].join(", ") || "none";
    const message =
      own.length > 0
        ? `the interface ${this.#name} has no ${wanted}; it has ${own.join(", ")}`
        : `the interface ${this.#name} is not there or not up; there are ${others}`;
    return new QWormholeError("QW_INTERFACE_NOT_FOUND", { message });
  }
}

function withZone({ address, name }: InterfaceAddress): string {
  const ip = readIpAddress(address);
  return ip?.family === 6 && isLinkLocal(ip) ? `${address}%${name}` : address;
}

async function systemLookup(host: string): Promise<string[]> {
  const found = await lookupHost(host, { all: true });
  return found.map(({ address }) => address);
}
