/**
 * The header of a relayed stream (`relay.open`): a message of core without a body, so a length in
 * four bytes and JSON. The path is chosen by the origin (source routing); each relay moves itself
 * from `path` to `via`.
 */
import {
  decodeMessage,
  encodeMessage,
  MeshError,
  type NodeId,
  parseNodeId,
} from "@hearthmesh/core";
import { RELAY_HEADER_BYTES_MAX, RELAY_HOPS_MAX } from "./limits.js";

export const RELAY_METHOD = "relay.open";

export interface RelayHeader {
  /** The hops that are left, this node first, the target last. */
  readonly path: readonly NodeId[];
  /** Who opened the stream, as it says itself. The link inside proves it to the target. */
  readonly origin: NodeId;
  /** The relays that have passed it on, in their order. */
  readonly via: readonly NodeId[];
}

export function encodeRelayHeader({ path, origin, via }: RelayHeader): Uint8Array {
  return Buffer.concat(encodeMessage({ path, origin, via }));
}

/** Throws `MESH_BAD_REQUEST`. Whether the path makes sense here, `RelayMachine` decides. */
export function decodeRelayHeader(bytes: Uint8Array): RelayHeader {
  if (bytes.length > RELAY_HEADER_BYTES_MAX) throw invalid("it is too long");
  let fields: Partial<Record<keyof RelayHeader, unknown>>;
  try {
    fields = decodeMessage<typeof fields>(bytes).header;
  } catch {
    throw invalid("it cannot be read");
  }
  const path = nodeIdsOf(fields.path, RELAY_HOPS_MAX + 1);
  const via = nodeIdsOf(fields.via, RELAY_HOPS_MAX);
  const [origin] = nodeIdsOf([fields.origin], 1);
  if (path.length === 0 || origin === undefined) throw invalid("it names no target or origin");
  return { path, origin, via };
}

function nodeIdsOf(value: unknown, lengthMax: number): NodeId[] {
  if (!Array.isArray(value) || value.length > lengthMax) {
    throw invalid(`a list in it has not up to ${lengthMax} node ids`);
  }
  try {
    return value.map((nodeId) => parseNodeId(typeof nodeId === "string" ? nodeId : ""));
  } catch {
    throw invalid("it names what is no node id");
  }
}

function invalid(reason: string): MeshError {
  return new MeshError("MESH_BAD_REQUEST", {
    message: `the header of a relayed stream is not valid: ${reason}`,
  });
}
