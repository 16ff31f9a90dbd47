/**
 * The network interfaces of this machine, read afresh each time because tunnels come and go, and
 * what follows from them: which own address fits a target, and whether a peer lies in the networks
 * of an interface.
 */
import { existsSync, lstatSync, readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import {
  type IpAddress,
  type IpNetwork,
  isLinkLocal,
  readIpAddress,
  readIpNetwork,
} from "./ip-address.js";

export interface InterfaceAddress {
  /** Of the interface, such as `wg0`. */
  readonly name: string;
  /** Without a zone. */
  readonly address: string;
  readonly family: 4 | 6;
  /** The address with its prefix, such as `10.0.0.1/24`; null when the mask is not a prefix. */
  readonly cidr: string | null;
  /** Loopback. */
  readonly internal: boolean;
  /** RFC 4007, for IPv6. */
  readonly scopeId?: number;
}

export interface NetworkInterfaces {
  list(): readonly InterfaceAddress[];
  /** True only where this machine can verify it; false for a name that is no interface's. */
  isWireGuard(name: string): boolean;
  /** Keeps the process alive, as timers of a `LinkClock` do not, until the answer is called. */
  keepAlive?(): () => void;
}

export interface SystemNetworkInterfacesOptions {
  /** Where Linux describes its interfaces. Default `/sys/class/net`. */
  classFolder?: string;
  /** Where WireGuard in user space keeps its control sockets. Default `/var/run/wireguard`. */
  socketFolder?: string;
  platform?: NodeJS.Platform;
}

const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** What wg-quick(8) allows; it also keeps the name from being a path. */
const WIREGUARD_NAME = /^(?!\.{1,2}$)[A-Za-z0-9_=+.-]{1,15}$/;

/**
 * WireGuard is recognised on Linux by the type that the kernel gives the device, and on Linux and
 * macOS by the control socket of an implementation in user space (wireguard-go, boringtun), which
 * lies in a folder that only the administrator writes to. Elsewhere nothing can be verified.
 */
export function systemNetworkInterfaces(
  options: SystemNetworkInterfacesOptions = {},
): NetworkInterfaces {
  const classFolder = options.classFolder ?? "/sys/class/net";
  const socketFolder = options.socketFolder ?? "/var/run/wireguard";
  const platform = options.platform ?? process.platform;
  const hasSocket = (name: string) => {
    const info = lstatSync(join(socketFolder, `${name}.sock`), { throwIfNoEntry: false });
    return info?.isSocket() ?? false;
  };
  return {
    list: listSystemInterfaces,
    keepAlive() {
      const timer = setInterval(() => {}, LONGEST_TIMER_MS);
      return () => clearInterval(timer);
    },
    isWireGuard(name) {
      if (!WIREGUARD_NAME.test(name)) return false;
      try {
        if (platform === "darwin") return hasSocket(name);
        if (platform !== "linux") return false;
        const device = join(classFolder, name);
        const facts = readFileSync(join(device, "uevent"), "utf8");
        if (/^DEVTYPE=wireguard$/m.test(facts)) return true;
        // A socket may be left over from a tunnel that is gone; only a TUN device can be one.
        return existsSync(join(device, "tun_flags")) && hasSocket(name);
      } catch {
        return false;
      }
    },
  };
}

function listSystemInterfaces(): InterfaceAddress[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
    addresses.map(({ address, family, cidr, internal, ...rest }) => ({
      name,
      address,
      family: family === "IPv6" ? (6 as const) : (4 as const),
      cidr,
      internal,
      ...("scopeid" in rest && rest.scopeid !== undefined ? { scopeId: rest.scopeid } : {}),
    })),
  );
}

/**
 * The own address to use towards `target`, a literal address; a wildcard stands for any target of
 * its family. First comes the address whose network holds the target (the longest prefix), then
 * any; link-local ones are for link-local targets alone. Undefined when there is none.
 */
export function addressOfInterface(
  list: readonly InterfaceAddress[],
  name: string,
  target: string,
): InterfaceAddress | undefined {
  const ip = readIpAddress(target);
  if (ip === undefined) return undefined;
  let best: { entry: InterfaceAddress; prefixBits: number } | undefined;
  for (const entry of list) {
    const own = readIpAddress(entry.address);
    if (entry.name !== name || own === undefined || own.family !== ip.family) continue;
    if (own.family === 6 && isLinkLocal(own) !== isLinkLocal(ip)) continue;
    // IPv4 link-local addresses are a last resort towards other targets (RFC 3927, 2.6.2).
    const rest = isLinkLocal(own) ? -2 : -1;
    const network = networkOf(entry);
    const prefixBits = network?.has(ip) ? network.prefixBits : rest;
    if (best === undefined || prefixBits > best.prefixBits) best = { entry, prefixBits };
  }
  return best?.entry;
}

/**
 * Whether `address`, a literal, lies in a network of the interface or in one of `extraNetworks`,
 * which lie behind it. An IPv6 link-local address lies there only when its zone says so, for its
 * network is the same on every interface.
 */
export function isInNetworksOf(
  list: readonly InterfaceAddress[],
  name: string,
  address: string,
  extraNetworks: readonly string[],
): boolean {
  return longestPrefixOf(list, name, address, extraNetworks) !== undefined;
}

/** Bits of the narrowest network of `isInNetworksOf` that holds the address; undefined for none. */
export function longestPrefixOf(
  list: readonly InterfaceAddress[],
  name: string,
  address: string,
  extraNetworks: readonly string[],
): number | undefined {
  const ip = readIpAddress(address);
  const own = list.filter((entry) => entry.name === name);
  if (ip === undefined || own.length === 0 || !isZoneOf(ip, own)) return undefined;
  const networks = [...own.map(networkOf), ...extraNetworks.map(readIpNetwork)];
  const bits = networks.flatMap((network) => (network?.has(ip) ? [network.prefixBits] : []));
  return bits.length === 0 ? undefined : Math.max(...bits);
}

function isZoneOf(ip: IpAddress, own: readonly InterfaceAddress[]): boolean {
  if (ip.family === 4 || !isLinkLocal(ip)) return true;
  return own.some(
    ({ name, scopeId }) =>
      ip.zone === name || (scopeId !== undefined && scopeId > 0 && ip.zone === String(scopeId)),
  );
}

function networkOf(entry: InterfaceAddress): IpNetwork | undefined {
  return entry.cidr === null ? undefined : readIpNetwork(entry.cidr);
}
