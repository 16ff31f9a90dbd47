/** Network addresses as text: `host:port`, with brackets around an IPv6 host (RFC 3986, 3.2.2). */
import { MeshError } from "@hearthmesh/core";
import type { Address } from "@hearthmesh/qwormhole";

const FORM = /^(?:\[([0-9a-fA-F:.%a-z]+)\]|([^\s:[\]]+)):(\d{1,5})$/;

/** `10.0.0.7:9000`, `[fd00::7]:9000`. Throws `MESH_BAD_REQUEST` for other text. */
export function parseAddress(text: string): Address {
  const match = FORM.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || !(port >= 1 && port <= 65_535)) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `${JSON.stringify(text.slice(0, 80))} is not an address`,
      hint: "An address looks like 192.168.1.20:9000 or [fd00::20]:9000.",
    });
  }
  return { host, port };
}

/** The reverse of `parseAddress`. */
export function formatAddress(address: Address): string {
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}
