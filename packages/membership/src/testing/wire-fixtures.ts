/** Values of the wire for the tests of the codec. */
import { type ErrorCode, isMeshError, type NodeId } from "@hearthmesh/core";
import { nodeIdFromBytes } from "../record-proof.js";
import type { NodeRecord } from "../swim/messages.js";

/** A node id for a small number. */
export function id(number: number): NodeId {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, number);
  return nodeIdFromBytes(bytes);
}

/** The bytes of `id(number)`. */
export function idHex(number: number): string {
  return number.toString(16).padStart(8, "0") + "00".repeat(28);
}

export function unhex(...parts: string[]): Uint8Array {
  return new Uint8Array(Buffer.from(parts.join(""), "hex"));
}

/** The code of the error that was thrown. */
export function codeOf(action: () => unknown): ErrorCode | "none" {
  try {
    action();
    return "none";
  } catch (error) {
    if (isMeshError(error)) return error.code;
    throw error;
  }
}

/** As on a home network, with a proof of 64 bytes. */
export function record(number: number, metaBytes: number): NodeRecord {
  return {
    nodeId: id(number),
    name: "alice-node-01",
    address: "192.168.178.123:7946",
    incarnation: 12,
    isLeaving: false,
    meta: new Uint8Array(metaBytes).fill(1),
    proof: new Uint8Array(64).fill(2),
  };
}
