/** IP addresses as bytes. */
import { isIPv4, isIPv6 } from "node:net";
import { MeshError } from "@hearthmesh/core";

/** 4 or 16 bytes. `MESH_BAD_REQUEST` when it is not an address, or one with a zone. */
export function ipAddressBytes(address: string): Uint8Array {
  if (isIPv4(address)) return Uint8Array.from(address.split(".").map(Number));
  if (isIPv6(address) && !address.includes("%")) return ipv6Bytes(address);
  throw new MeshError("MESH_BAD_REQUEST", {
    message: `${JSON.stringify(address.slice(0, 80))} is not an IP address`,
  });
}

/** The address is known to be valid: at most one `::`, and a dotted part only at its end. */
function ipv6Bytes(address: string): Uint8Array {
  const [head = "", tail] = address.split("::");
  const before = groupBytes(head);
  const after = groupBytes(tail ?? "");
  const zeros = new Array<number>(16 - before.length - after.length).fill(0);
  return Uint8Array.from([...before, ...zeros, ...after]);
}

function groupBytes(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (group.includes(".")) return group.split(".").map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}
