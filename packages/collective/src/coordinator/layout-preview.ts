/**
 * What a change of the layout moves, computed before it is made: pure. Every chunk is placed under
 * the layout before and the layout after; what a node gains is copied to it, what it loses is taken
 * from it once all its new places have it. That is what repair does, so the preview is what happens
 * as long as every chunk is where the layout before wants it.
 *
 * For many chunks a sample is enough: chunk ids are hashes, so those below a bound are a fair draw,
 * and the share of the id space below it is the share of the chunks.
 */
import { type ChunkId, formatBytes, type NodeId } from "@hearthmesh/core";
import { distinctZones, Placement } from "../storage/placement.js";
import type { Layout, NodeInfo } from "../types.js";
import { replicasPossible } from "./layout-change.js";

/** Chunks and their bytes. In a sample they are estimates for all chunks. */
interface Amount {
  readonly chunks: number;
  readonly bytes: number;
}

interface NodeForecast {
  readonly nodeId: NodeId;
  readonly name: string;
  readonly capacityBeforeBytes: number;
  readonly capacityAfterBytes: number;
  readonly before: Amount;
  readonly after: Amount;
  readonly gains: Amount;
  readonly loses: Amount;
  /** Free space as the node reported it, and when all has moved. Undefined: it has not reported. */
  readonly freeBytes?: number;
  readonly freeAfterBytes?: number;
}

export interface Flow extends Amount {
  /** The node whose place is taken, or one that keeps its copy. */
  readonly from: NodeId;
  readonly to: NodeId;
}

export type WarningCode =
  | "fewer-nodes"
  | "fewer-zones"
  | "fewer-copies"
  | "no-room"
  | "over-capacity"
  | "only-copies-away";

export interface LayoutWarning {
  readonly code: WarningCode;
  readonly message: string;
  /** Data or safety would be lost: refused unless it is forced. */
  readonly grave: boolean;
}

export interface LayoutPreview {
  /** Different chunks that files refer to. */
  readonly total: Amount;
  readonly isExact: boolean;
  /** Chunks that were looked at; all of them when it is exact. */
  readonly chunksLookedAt: number;
  /** Copies that are made. */
  readonly moves: Amount;
  readonly nodes: readonly NodeForecast[];
  readonly flows: readonly Flow[];
  readonly warnings: readonly LayoutWarning[];
}

export interface PreviewInput {
  readonly before: Layout;
  readonly after: Layout;
  /** Everything that is known of the nodes. */
  readonly nodes: readonly Pick<NodeInfo, "nodeId" | "name" | "state" | "storage">[];
}

class Sum {
  chunks = 0;
  bytes = 0;

  add(sizeBytes: number): void {
    this.chunks++;
    this.bytes += sizeBytes;
  }

  scaled(factor: number): Amount {
    return { chunks: Math.round(this.chunks * factor), bytes: Math.round(this.bytes * factor) };
  }
}

/** Sees every chunk, or a sample of them in the order of their ids, and then tells. */
export class PreviewTally {
  readonly #input: PreviewInput;
  readonly #before: Placement;
  readonly #after: Placement;
  readonly #kept = new Map<NodeId, Sum>();
  readonly #wanted = new Map<NodeId, Sum>();
  readonly #gains = new Map<NodeId, Sum>();
  readonly #losses = new Map<NodeId, Sum>();
  readonly #flows = new Map<string, Sum>();
  readonly #total = new Sum();
  readonly #moves = new Sum();
  readonly #away: ReadonlySet<NodeId>;
  #onlyAway = 0;

  constructor(input: PreviewInput) {
    this.#input = input;
    this.#before = new Placement(input.before);
    this.#after = new Placement(input.after);
    const offline = input.nodes.filter((node) => node.state === "offline");
    this.#away = new Set(offline.map((node) => node.nodeId));
  }

  get chunksLookedAt(): number {
    return this.#total.chunks;
  }

  see(id: ChunkId, sizeBytes: number): void {
    const before = this.#before.replicaSet(id);
    const after = this.#after.replicaSet(id);
    this.#total.add(sizeBytes);
    for (const nodeId of before) sumOf(this.#kept, nodeId).add(sizeBytes);
    for (const nodeId of after) sumOf(this.#wanted, nodeId).add(sizeBytes);
    const gained = after.filter((nodeId) => !before.includes(nodeId));
    const lost = before.filter((nodeId) => !after.includes(nodeId));
    for (const nodeId of lost) sumOf(this.#losses, nodeId).add(sizeBytes);
    for (const [at, nodeId] of gained.entries()) {
      this.#moves.add(sizeBytes);
      sumOf(this.#gains, nodeId).add(sizeBytes);
      const from = lost[at] ?? before[0];
      if (from !== undefined) sumOf(this.#flows, `${from} ${nodeId}`).add(sizeBytes);
    }
    const isOrphaned = before.length > 0 && before.every((nodeId) => this.#away.has(nodeId));
    if (isOrphaned && gained.length > 0) this.#onlyAway++;
  }

  /** `share`: of all chunks, those that were seen; 1 for all of them. */
  result(share: number): LayoutPreview {
    const factor = share > 0 ? 1 / share : 1;
    const amount = (sums: ReadonlyMap<NodeId, Sum>, nodeId: NodeId) =>
      (sums.get(nodeId) ?? new Sum()).scaled(factor);
    const nodes = this.#nodes().map(({ nodeId, name, before, after }): NodeForecast => {
      const gains = amount(this.#gains, nodeId);
      const loses = amount(this.#losses, nodeId);
      const report = this.#input.nodes.find((node) => node.nodeId === nodeId)?.storage;
      const free = report && { freeBytes: report.freeBytes };
      const freeAfter = report && report.freeBytes + loses.bytes - gains.bytes;
      return {
        nodeId,
        name,
        capacityBeforeBytes: before?.capacityBytes ?? 0,
        capacityAfterBytes: after?.capacityBytes ?? 0,
        before: amount(this.#kept, nodeId),
        after: amount(this.#wanted, nodeId),
        gains,
        loses,
        ...free,
        ...(freeAfter === undefined ? {} : { freeAfterBytes: freeAfter }),
      };
    });
    return {
      total: this.#total.scaled(factor),
      isExact: share === 1,
      chunksLookedAt: this.#total.chunks,
      moves: this.#moves.scaled(factor),
      nodes,
      flows: this.#allFlows(factor),
      warnings: [
        ...safetyWarnings(this.#input.before, this.#input.after),
        ...spaceWarnings(nodes),
        ...this.#awayWarnings(factor),
      ],
    };
  }

  #nodes() {
    const { before, after } = this.#input;
    const ids = new Set([...before.nodes, ...after.nodes].map((node) => node.nodeId));
    const find = (layout: Layout, nodeId: NodeId) =>
      layout.nodes.find((node) => node.nodeId === nodeId);
    return [...ids]
      .map((nodeId) => {
        const pair = { before: find(before, nodeId), after: find(after, nodeId) };
        return { nodeId, name: pair.after?.name ?? pair.before?.name ?? "", ...pair };
      })
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  #allFlows(factor: number): Flow[] {
    return [...this.#flows]
      .map(([pair, sum]) => {
        const [from, to] = pair.split(" ") as [NodeId, NodeId];
        return { from, to, ...sum.scaled(factor) };
      })
      .sort((a, b) => b.bytes - a.bytes);
  }

  #awayWarnings(factor: number): LayoutWarning[] {
    if (this.#onlyAway === 0) return [];
    const count = Math.round(this.#onlyAway * factor);
    return [
      {
        code: "only-copies-away",
        message: `${count} chunks have copies only on nodes that are away: they cannot move now`,
        grave: true,
      },
    ];
  }
}

function sumOf<Key>(sums: Map<Key, Sum>, key: Key): Sum {
  const known = sums.get(key);
  if (known !== undefined) return known;
  const sum = new Sum();
  sums.set(key, sum);
  return sum;
}

/** Fewer copies, or copies that can be lost together, than before or than is wanted. */
function safetyWarnings(before: Layout, after: Layout): LayoutWarning[] {
  const warnings: LayoutWarning[] = [];
  const copies = replicasPossible(after);
  const zones = spread(after);
  if (copies < after.replicas) {
    warnings.push({
      code: "fewer-nodes",
      message:
        `${copies === 1 ? "1 node takes" : `${copies} nodes take`} chunks: ` +
        `every chunk has ${copies} of the ${after.replicas} copies that are wanted`,
      grave: copies < replicasPossible(before),
    });
  }
  if (zones < Math.min(after.replicas, copies)) {
    warnings.push({
      code: "fewer-zones",
      message: `the ${copies} copies of a chunk lie in ${placesText(zones)}`,
      grave: zones < spread(before),
    });
  }
  if (after.replicas < before.replicas) {
    warnings.push({
      code: "fewer-copies",
      message: `every chunk has ${after.replicas} copies instead of ${before.replicas}`,
      grave: false,
    });
  }
  return warnings;
}

function placesText(count: number): string {
  return count === 1 ? "one place" : `${count} places`;
}

/** Distinct zones that the copies of one chunk can have. */
function spread(layout: Layout): number {
  const able = layout.nodes.filter((node) => node.capacityBytes > 0);
  const ids = able.map((node) => node.nodeId);
  return Math.min(layout.replicas, distinctZones(layout, ids));
}

function spaceWarnings(nodes: readonly NodeForecast[]): LayoutWarning[] {
  return nodes.flatMap((node): LayoutWarning[] => {
    const { name, gains, after, freeAfterBytes, capacityAfterBytes } = node;
    if (gains.bytes > 0 && freeAfterBytes !== undefined && freeAfterBytes < 0) {
      const missing = formatBytes(-freeAfterBytes);
      return [{ code: "no-room", message: `${name} has ${missing} too little room`, grave: true }];
    }
    if (after.bytes <= capacityAfterBytes) return [];
    const message =
      `${name} would keep ${formatBytes(after.bytes)}, ` +
      `more than its capacity of ${formatBytes(capacityAfterBytes)}`;
    return [{ code: "over-capacity", message, grave: gains.bytes > 0 }];
  });
}
