/**
 * What two nodes have to tell each other so that their views are the same: each sums its view up
 * as 41 bytes for each node, and from both sums follows who gives what. Pure.
 *
 * | bytes | what                                                  |
 * |-------|-------------------------------------------------------|
 * | 32    | node id, ascending over the whole summary             |
 * | 8     | incarnation, big-endian                               |
 * | 1     | state: 0 alive, 1 suspect, 2 dead, 3 left             |
 */
import { createHash } from "node:crypto";
import { MeshError, type NodeId } from "@hearthmesh/core";
import { NODES_MAX } from "../limits.js";
import { NODE_ID_BYTES, nodeIdFromBytes, nodeIdToBytes } from "../record-proof.js";
import type { MemberState } from "../swim/member-table.js";

export interface SummaryEntry {
  readonly nodeId: NodeId;
  readonly incarnation: number;
  readonly state: MemberState;
}

export type Summary = ReadonlyMap<NodeId, SummaryEntry>;

const ENTRY_BYTES = NODE_ID_BYTES + 9;
/** The node itself and those that its view holds. */
const SUMMARY_BYTES_MAX = ENTRY_BYTES * (NODES_MAX + 1);
const STATES = ["alive", "suspect", "dead", "left"] as const;

export function encodeSummary(entries: Iterable<SummaryEntry>): Uint8Array {
  const rows = [...entries].map((entry) => {
    const row = Buffer.alloc(ENTRY_BYTES);
    row.set(nodeIdToBytes(entry.nodeId), 0);
    row.writeBigUInt64BE(BigInt(entry.incarnation), NODE_ID_BYTES);
    row[ENTRY_BYTES - 1] = STATES.indexOf(entry.state);
    return row;
  });
  return Buffer.concat(rows.sort(Buffer.compare));
}

/** Two nodes whose summaries have the same hash have nothing to tell each other. */
export function hashOfSummary(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("base64");
}

/** Throws `MESH_BAD_REQUEST` for bytes that `encodeSummary` does not make. */
export function decodeSummary(bytes: Uint8Array): Map<NodeId, SummaryEntry> {
  if (bytes.length > SUMMARY_BYTES_MAX || bytes.length % ENTRY_BYTES !== 0) {
    throw invalid("the summary of a view has no such size");
  }
  const summary = new Map<NodeId, SummaryEntry>();
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < view.length; at += ENTRY_BYTES) {
    const nodeId = nodeIdFromBytes(view.subarray(at, at + NODE_ID_BYTES));
    const incarnation = Number(view.readBigUInt64BE(at + NODE_ID_BYTES));
    const state = STATES[view[at + ENTRY_BYTES - 1] ?? STATES.length];
    if (state === undefined || !Number.isSafeInteger(incarnation) || summary.has(nodeId)) {
      throw invalid("an entry of the summary of a view is not valid");
    }
    summary.set(nodeId, { nodeId, incarnation, state });
  }
  return summary;
}

export interface SummaryDifference {
  /** What the other side should tell. */
  readonly wanted: NodeId[];
  /** What the other side should hear; those in `unknown` with their certificate. */
  readonly given: NodeId[];
  /** Of `given`, the nodes that the other side does not know at all. */
  readonly unknown: ReadonlySet<NodeId>;
}

/**
 * `mine` and `theirs` hold both nodes themselves. A node that is dead and unknown to the other side
 * is of no use there and is left out.
 */
export function compareSummaries(mine: Summary, theirs: Summary): SummaryDifference {
  const wanted: NodeId[] = [];
  const given: NodeId[] = [];
  const unknown = new Set<NodeId>();
  for (const entry of theirs.values()) {
    const own = mine.get(entry.nodeId);
    if (own === undefined ? entry.state !== "dead" : isNews(entry, own)) wanted.push(entry.nodeId);
  }
  for (const entry of mine.values()) {
    const other = theirs.get(entry.nodeId);
    if (other === undefined ? entry.state === "dead" : !isNews(entry, other)) continue;
    given.push(entry.nodeId);
    if (other === undefined) unknown.add(entry.nodeId);
  }
  return { wanted, given, unknown };
}

/** Whether the first says more than the second: a newer word, or of the same one a worse belief. */
function isNews(first: SummaryEntry, second: SummaryEntry): boolean {
  if (first.incarnation !== second.incarnation) return first.incarnation > second.incarnation;
  const rank = (state: MemberState) => (state === "suspect" ? 1 : state === "dead" ? 2 : 0);
  return rank(first.state) > rank(second.state);
}

function invalid(message: string): MeshError {
  return new MeshError("MESH_BAD_REQUEST", { message });
}
