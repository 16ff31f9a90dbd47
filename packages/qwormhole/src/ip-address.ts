/** IP addresses and networks as text, each brought to one form so that they can be compared. */
import { BlockList, isIP, SocketAddress } from "node:net";
import { QWormholeError } from "./errors.js";

export interface IpAddress {
  readonly family: 4 | 6;
  /** RFC 5952 for IPv6. An IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2) is the IPv4 address. */
  readonly text: string;
  /** RFC 4007: the interface that a link-local address belongs to, by name or number. */
  readonly zone: string | undefined;
}

/** Undefined for anything that is not a literal address. */
export function readIpAddress(text: string): IpAddress | undefined {
  const family = isIP(text);
  if (family === 4) return { family, text, zone: undefined };
  if (family !== 6) return undefined;
  const [plain = "", zone] = text.split("%");
  const canonical = new SocketAddress({ address: plain, family: "ipv6" }).address;
  const mapped = /^::ffff:([\d.]+)$/.exec(canonical)?.[1];
  if (mapped !== undefined) return { family: 4, text: mapped, zone: undefined };
  return { family: 6, text: canonical, zone };
}

/** As sockets take it: with its zone. */
export function addressWithZone({ text, zone }: IpAddress): string {
  return zone === undefined ? text : `${text}%${zone}`;
}

/** The host in the text of a channel's address, such as `10.0.0.1:9000` or `[fd00::1]:9000`. */
export function hostOfAddressText(addressText: string): string {
  const end = addressText.lastIndexOf(":");
  const host = end < 0 ? addressText : addressText.slice(0, end);
  return host.replace(/^\[(.*)\]$/, "$1");
}

/** All addresses of this machine: `0.0.0.0` and `::`. */
export function isWildcard(ip: IpAddress): boolean {
  return ip.text === "0.0.0.0" || ip.text === "::";
}

export function isLoopback(ip: IpAddress): boolean {
  return ip.text === "::1" || (ip.family === 4 && ip.text.startsWith("127."));
}

/** fe80::/10 (RFC 4291, 2.5.6), the same on every interface; 169.254.0.0/16 (RFC 3927). */
export function isLinkLocal(ip: IpAddress): boolean {
  return ip.family === 6 ? /^fe[89ab]/.test(ip.text) : ip.text.startsWith("169.254.");
}

/** A network in the notation of RFC 4632 and RFC 4291, such as `10.0.0.0/24`. */
export interface IpNetwork {
  readonly family: 4 | 6;
  readonly prefixBits: number;
  has(ip: IpAddress): boolean;
}

/** Bits after the prefix may be set, as in `10.0.0.1/24`. Throws `QW_OPTIONS_INVALID`. */
export function readIpNetwork(cidr: string): IpNetwork {
  const [, address = "", prefix = ""] = /^([^/%]+)\/(\d{1,3})$/.exec(cidr) ?? [];
  const prefixBits = Number(prefix);
  const family = isIP(address);
  if ((family !== 4 && family !== 6) || prefixBits > (family === 4 ? 32 : 128)) {
    const message = `${JSON.stringify(cidr)} is not a network such as 10.0.0.0/24 or fd00::/64`;
    throw new QWormholeError("QW_OPTIONS_INVALID", { message });
  }
  const type = family === 4 ? "ipv4" : "ipv6";
  const list = new BlockList();
  list.addSubnet(address, prefixBits, type);
  return { family, prefixBits, has: (ip) => ip.family === family && list.check(ip.text, type) };
}
