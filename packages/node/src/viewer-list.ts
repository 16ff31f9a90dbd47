/**
 * Who may read the views of the mesh without a key (`http.viewers`). A container sees the programs
 * of its machine under the address of its default gateway, which the engine chooses: the word
 * `gateway` stands for it, and is looked up when somebody asks.
 */
import { readFileSync } from "node:fs";
import { endianness } from "node:os";
import { NetworkList } from "@hearthmesh/collective/admission";
import type { Config } from "./config/config.js";
import { GATEWAY_VIEWER } from "./config/viewers.js";

/** Flags of a route in the kernel's table (`route.h`): it is up, and goes through a gateway. */
const ROUTE_UP = 0x1;
const ROUTE_GATEWAY = 0x2;

/**
 * IPv4 gateways of the default routes in the text of `/proc/net/route`: a head, then a line for
 * each route with interface, destination, gateway and flags. Addresses are hexadecimal numbers in
 * the byte order of the machine (proc(5)).
 */
export function defaultGateways(table: string, order: "LE" | "BE"): string[] {
  const gateways = table.split("\n").flatMap((line) => {
    const [, destination, gateway = "", flags = ""] = line.trim().split(/\s+/);
    const bits = Number.parseInt(flags, 16);
    const isDefault = destination === "00000000" && /^[0-9A-F]{8}$/i.test(gateway);
    if (!isDefault || (bits & ROUTE_UP) === 0 || (bits & ROUTE_GATEWAY) === 0) return [];
    const bytes = [...Buffer.from(gateway, "hex")];
    return [(order === "LE" ? bytes.reverse() : bytes).join(".")];
  });
  return [...new Set(gateways)];
}

export class ViewerList {
  readonly #networks: NetworkList | undefined;
  readonly #hasGateway: boolean;
  readonly #readTable: () => string;

  /** `readTable` answers with the routes of this machine; see `defaultGateways`. */
  constructor(entries: readonly string[], readTable: () => string) {
    const networks = entries.filter((entry) => entry !== GATEWAY_VIEWER);
    // An empty list allows everybody: here it allows nobody.
    this.#networks = networks.length === 0 ? undefined : new NetworkList(networks);
    this.#hasGateway = entries.includes(GATEWAY_VIEWER);
    this.#readTable = readTable;
  }

  /** The address at the other end of a connection. */
  has(address: string): boolean {
    if (this.#networks?.allows(address) === true) return true;
    if (!this.#hasGateway) return false;
    const gateways = defaultGateways(this.#readTable(), endianness());
    return gateways.length > 0 && new NetworkList(gateways).allows(address);
  }
}

/** Of this machine. One without such a table, which is no Linux, has no known gateway. */
function readRouteTable(): string {
  try {
    return readFileSync("/proc/net/route", "utf8");
  } catch {
    return "";
  }
}

/** Undefined without viewers, and for a port that is not open to other machines at all. */
export function viewersOf({
  httpViewers,
  mesh,
}: Config): ((address: string) => boolean) | undefined {
  if (httpViewers.length === 0 || mesh.enabled !== "true") return undefined;
  const viewers = new ViewerList(httpViewers, readRouteTable);
  return (address) => viewers.has(address);
}
