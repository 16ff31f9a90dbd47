/** Networks that calls may come from: `192.168.1.0/24`, `fd00::/8`, or single addresses. */
import { BlockList, isIP } from "node:net";
import { limits, MeshError } from "@hearthmesh/core";

/** An address as systems write it: without a zone, and IPv4 not in the clothes of IPv6. */
function plainAddress(address: string): string {
  const plain = address.replace(/%.*$/, "").toLowerCase();
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(plain)?.[1] ?? plain;
}

/** Checked and without repetitions. `MESH_BAD_REQUEST` says what is wrong. */
export function parseNetworks(texts: readonly string[]): string[] {
  const networks = [...new Set(texts.map((text) => formatNetwork(readNetwork(text))))];
  if (networks.length > limits.ALLOWED_NETWORKS_MAX) {
    throw new MeshError("MESH_LIMIT", {
      message: `a list has at most ${limits.ALLOWED_NETWORKS_MAX} networks`,
    });
  }
  return networks;
}

/** Networks, ready to be asked. An empty list allows every address. */
export class NetworkList {
  readonly #list = new BlockList();
  readonly #isEmpty: boolean;

  constructor(networks: readonly string[]) {
    this.#isEmpty = networks.length === 0;
    for (const { address, prefix, family } of networks.map(readNetwork)) {
      this.#list.addSubnet(address, prefix, family);
    }
  }

  allows(address: string): boolean {
    if (this.#isEmpty) return true;
    const plain = plainAddress(address);
    const version = isIP(plain);
    return version !== 0 && this.#list.check(plain, version === 6 ? "ipv6" : "ipv4");
  }
}

interface Network {
  readonly address: string;
  readonly prefix: number;
  readonly family: "ipv4" | "ipv6";
}

function formatNetwork({ address, prefix, family }: Network): string {
  return prefix === (family === "ipv4" ? 32 : 128) ? address : `${address}/${prefix}`;
}

function readNetwork(text: string): Network {
  const [host = "", bits, ...rest] = text.trim().split("/");
  const address = plainAddress(host);
  const version = host.includes("%") || rest.length > 0 ? 0 : isIP(address);
  const widest = version === 6 ? 128 : 32;
  const prefix = bits === undefined ? widest : Number(bits);
  const isNumber = bits === undefined || /^\d{1,3}$/.test(bits);
  // A prefix for the IPv6 form of an IPv4 address counts other bits than it seems to.
  const isMapped = bits !== undefined && address !== host.toLowerCase();
  if (version === 0 || !isNumber || isMapped || prefix > widest) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `${JSON.stringify(text.slice(0, 80))} is not an address or a network`,
      hint: "Write 192.168.1.20, 192.168.1.0/24, fd00::7 or fd00::/64.",
    });
  }
  return { address, prefix, family: version === 6 ? "ipv6" : "ipv4" };
}
