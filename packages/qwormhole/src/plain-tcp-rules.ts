/**
 * Where plain TCP is allowed. It has neither encryption nor a secret to bind a handshake to, so it
 * is for this machine itself and for networks that encrypt by themselves.
 */
import { QWormholeError } from "./errors.js";
import { isLoopback, isWildcard, readIpAddress, readIpNetwork } from "./ip-address.js";
import {
  type InterfaceAddress,
  longestPrefixOf,
  type NetworkInterfaces,
} from "./network-interfaces.js";

/** Each throws `QW_INSECURE_REFUSED` with a message that says what to do instead. */
export interface PlainTcpRules {
  /** Before anything is sent. A name is judged when it is connected. */
  checkDial(host: string): void;
  checkListen(host: string): void;
  /** Of both ends, before a byte is written; also of accepted connections. */
  checkConnection(localHost: string, remoteHost: string): void;
}

export const ANYWHERE: PlainTcpRules = {
  checkDial() {},
  checkListen() {},
  checkConnection() {},
};

export const LOOPBACK_ONLY: PlainTcpRules = {
  checkDial: checkLoopback,
  checkListen: checkLoopback,
  checkConnection(localHost, remoteHost) {
    checkLoopback(localHost);
    checkLoopback(remoteHost);
  },
};

function checkLoopback(host: string): void {
  if (host === "localhost" || isLoopbackHost(host)) return;
  throw refused(`plain TCP is allowed for loopback only, not for ${host}`);
}

function isLoopbackHost(host: string): boolean {
  const ip = readIpAddress(host);
  return ip !== undefined && isLoopback(ip);
}

const refused = (message: string) => new QWormholeError("QW_INSECURE_REFUSED", { message });

const ADVICE =
  'set `tls`, or say `insecure: "wireguard"` when you know that the network encrypts by itself';

/**
 * Loopback, and WireGuard as far as this machine can verify it: the own address is one of a
 * WireGuard interface, the peer's address lies in the networks of that interface or in
 * `extraNetworks`, and no other interface has a network that holds the peer's address as narrowly,
 * for then the packets would go there in the clear. Routes that were set by hand are not looked at.
 */
export class VerifiedWireGuardOnly implements PlainTcpRules {
  readonly #network: NetworkInterfaces;
  readonly #extraNetworks: readonly string[];

  /** Throws `QW_OPTIONS_INVALID` for a network that is none. */
  constructor(network: NetworkInterfaces, extraNetworks: readonly string[] = []) {
    extraNetworks.forEach(readIpNetwork);
    this.#network = network;
    this.#extraNetworks = extraNetworks;
  }

  checkDial(host: string): void {
    if (readIpAddress(host) === undefined || isLoopbackHost(host)) return;
    const list = this.#network.list();
    const tunnels = namesOf(list).filter((name) => this.#network.isWireGuard(name));
    if (tunnels.length === 0) {
      const none = "no WireGuard interface is up on this machine";
      const wait = "to wait for one, name it in `interfaceName`";
      throw refused(`plain TCP to ${host}: ${none}; ${wait}; or ${ADVICE}`);
    }
    this.#checkPeer(list, tunnels, host);
  }

  checkListen(host: string): void {
    const ip = readIpAddress(host);
    if (host === "localhost" || (ip !== undefined && isLoopback(ip))) return;
    const instead = "name the address of a WireGuard interface, or the interface (`interfaceName`)";
    if (ip === undefined || isWildcard(ip)) {
      const what = ip === undefined ? `the name ${host}` : `all addresses (${host})`;
      throw refused(`plain TCP on ${what}: ${instead}; or ${ADVICE}`);
    }
    const owners = ownersOf(this.#network.list(), ip.text);
    if (owners.length === 0) {
      const message = `cannot listen on ${host}: it is no address of this machine at the moment`;
      throw new QWormholeError("QW_LISTEN_FAILED", { message });
    }
    this.#checkOwners(host, owners);
  }

  checkConnection(localHost: string, remoteHost: string): void {
    if (isLoopbackHost(localHost) && isLoopbackHost(remoteHost)) return;
    const list = this.#network.list();
    const owners = ownersOf(list, readIpAddress(localHost)?.text);
    this.#checkOwners(localHost, owners);
    this.#checkPeer(list, owners, remoteHost);
  }

  /** The same address on two interfaces says nothing about the way that packets take. */
  #checkOwners(ownHost: string, owners: readonly string[]): void {
    const others = owners.filter((name) => !this.#network.isWireGuard(name));
    if (owners.length > 0 && others.length === 0) return;
    const owner = others.length === 0 ? "no interface any more" : others.join(", ");
    const reason = `belongs to ${owner}, which this machine does not know as WireGuard`;
    throw refused(`plain TCP on ${ownHost}: the address ${reason}; ${ADVICE}`);
  }

  #checkPeer(list: readonly InterfaceAddress[], tunnels: readonly string[], host: string): void {
    const bitsOf = (name: string, extra: readonly string[]) =>
      longestPrefixOf(list, name, host, extra) ?? -1;
    const inTunnel = Math.max(...tunnels.map((name) => bitsOf(name, this.#extraNetworks)));
    const where = tunnels.join(", ");
    if (inTunnel < 0) {
      const networks = "when it is a peer of the tunnel, name its network in `interfaceNetworks`";
      throw refused(
        `plain TCP to ${host}: it is not in the networks of ${where}; ${networks}; or ${ADVICE}`,
      );
    }
    const nearer = namesOf(list).find(
      (name) => bitsOf(name, []) >= inTunnel && !this.#network.isWireGuard(name),
    );
    if (nearer === undefined) return;
    const also = `it lies in the network of ${nearer} as much as in that of ${where}`;
    throw refused(`plain TCP to ${host}: ${also}; ${ADVICE}`);
  }
}

function namesOf(list: readonly InterfaceAddress[]): string[] {
  return [...new Set(list.filter(({ internal }) => !internal).map(({ name }) => name))];
}

function ownersOf(list: readonly InterfaceAddress[], address: string | undefined): string[] {
  return namesOf(list.filter((entry) => readIpAddress(entry.address)?.text === address));
}
