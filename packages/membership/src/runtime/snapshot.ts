/**
 * What a node keeps of its mesh while it is off: its incarnation, whom it removed, and where the
 * others were, so that a mesh comes back when all of it was off. A JSON value.
 */
import type { NodeId } from "@hearthmesh/core";
import { ADDRESS_BYTES_MAX, FORGOTTEN_MAX, NODE_NAME_BYTES_MAX } from "../limits.js";
import { CERTIFICATE_BYTES_MAX, META_ADDRESSES_MAX, SNAPSHOT_PEERS_MAX } from "./limits.js";

export interface SnapshotPeer {
  readonly nodeId: NodeId;
  readonly name: string;
  /** `host:port`, best first. */
  readonly linkAddresses: readonly string[];
  /** Base64 of the leaf (DER), or empty. */
  readonly certificate: string;
}

export interface SwimSnapshot {
  readonly version: 1;
  readonly incarnation: number;
  /** The most recent ones first. */
  readonly peers: readonly SnapshotPeer[];
  readonly forgotten: readonly NodeId[];
}

export interface SnapshotStore {
  /** Undefined when there is none. */
  load(): Promise<SwimSnapshot | undefined>;
  /** Replaces the former one as a whole, or rejects and leaves it. */
  save(snapshot: SwimSnapshot): Promise<void>;
}

const NODE_ID = /^[a-z2-7]{51}[aq]$/;
const ADDRESS = /^[\x21-\x7e]+$/;

/**
 * What can be used of a value that comes from a disk; undefined when nothing can. Parts that are
 * damaged are left out, and what is beyond the limits.
 */
export function parseSnapshot(value: unknown): SwimSnapshot | undefined {
  if (value === null || typeof value !== "object") return undefined;
  const { version, incarnation, peers, forgotten } = value as Record<string, unknown>;
  if (version !== 1) return undefined;
  return {
    version,
    incarnation: isIncarnation(incarnation) ? incarnation : 0,
    peers: (Array.isArray(peers) ? peers : []).filter(isPeer).slice(0, SNAPSHOT_PEERS_MAX),
    forgotten: (Array.isArray(forgotten) ? forgotten : [])
      .filter((item): item is NodeId => typeof item === "string" && NODE_ID.test(item))
      .slice(0, FORGOTTEN_MAX),
  };
}

function isIncarnation(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isPeer(value: unknown): value is SnapshotPeer {
  if (value === null || typeof value !== "object") return false;
  const { nodeId, name, linkAddresses, certificate } = value as Record<string, unknown>;
  return (
    typeof nodeId === "string" &&
    NODE_ID.test(nodeId) &&
    typeof name === "string" &&
    Buffer.byteLength(name) <= NODE_NAME_BYTES_MAX &&
    typeof certificate === "string" &&
    certificate.length <= 2 * CERTIFICATE_BYTES_MAX &&
    Array.isArray(linkAddresses) &&
    linkAddresses.length <= META_ADDRESSES_MAX &&
    linkAddresses.every(isAddress)
  );
}

function isAddress(value: unknown): boolean {
  return typeof value === "string" && value.length <= ADDRESS_BYTES_MAX && ADDRESS.test(value);
}
