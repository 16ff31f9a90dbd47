/** `host:port` and `[IPv6]:port` as text. */
import { isIPv6 } from "node:net";
import { MeshError } from "@hearthmesh/core";

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

const HOST_BYTES_MAX = 253;
/** Names, with the underscores that container networks use, and IPv4. */
const HOST = /^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/;
const FORM = /^(?:\[([0-9a-f:.]{2,45})\]|([^:[\]]+)):([1-9]\d{0,4})$/;

/** Brackets around IPv6; lower case. */
export function formatEndpoint(endpoint: Endpoint): string {
  const host = endpoint.host.toLowerCase();
  return `${host.includes(":") ? `[${host}]` : host}:${endpoint.port}`;
}

/** Throws `MESH_BAD_REQUEST` when it is not a host and a port. */
export function parseEndpoint(text: string): Endpoint {
  const match = FORM.exec(text.trim().toLowerCase());
  const [, address, name, portText = "0"] = match ?? [];
  const port = Number(portText);
  const hostGood =
    address === undefined
      ? name !== undefined && name.length <= HOST_BYTES_MAX && HOST.test(name)
      : isIPv6(address);
  if (!hostGood || port > 65_535) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `${JSON.stringify(text.slice(0, 80))} is not an address`,
      hint: "Write host:port, or [IPv6]:port.",
    });
  }
  return { host: address ?? name ?? "", port };
}
