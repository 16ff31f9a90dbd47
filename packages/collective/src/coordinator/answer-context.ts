/** What clients need beside the answer itself: the layout, the nodes, a ticket. */
import { type ChunkId, type FileId, limits, type NodeId } from "@hearthmesh/core";
import type { FileTicketResponse } from "../protocol.js";
import type { Layout, NodeInfo, SignedTicket } from "../types.js";
import { acksNeeded } from "./durability.js";
import type { LayoutBook } from "./layout-book.js";
import { isDraining } from "./layout-change.js";
import type { NodeDirectory } from "./node-directory.js";
import type { TicketGround, TicketOffice } from "./ticket-office.js";

export interface AnswerContextOptions {
  readonly layouts: LayoutBook;
  readonly nodes: NodeDirectory;
  readonly tickets: TicketOffice;
}

export class AnswerContext {
  readonly #options: AnswerContextOptions;

  constructor(options: AnswerContextOptions) {
    this.#options = options;
  }

  /** `chunksMax`: the upload may have no more chunks than these. */
  writeGrant(
    ground: TicketGround,
    holder: NodeId,
    fileId: FileId,
    chunksMax: number | undefined,
  ): FileTicketResponse {
    const { layouts, tickets } = this.#options;
    const { layout, acks } = layouts;
    const taking = layout.nodes.filter((node) => !isDraining(node));
    const scope = { holder, nodes: taking.map((node) => node.nodeId) };
    return {
      layout,
      nodes: this.#storageNodes([]),
      acksNeeded: acksNeeded(layout, acks),
      ...tickets.forWriting(ground, scope, fileId, chunksMax),
    };
  }

  /**
   * Nodes that should keep the chunks come first. The others follow: after a change of the layout
   * they still have what has not moved yet.
   */
  readGrant(
    ground: TicketGround,
    holder: NodeId,
    ids: readonly ChunkId[],
  ): { layout: Layout; nodes: readonly NodeInfo[]; ticket?: SignedTicket } {
    const { layouts, tickets } = this.#options;
    const { layout } = layouts;
    if (ids.length === 0) return { layout, nodes: [] };
    const nodes = this.#storageNodes(ids);
    const scope = { holder, nodes: nodes.map((node) => node.nodeId) };
    return { layout, nodes, ticket: tickets.forReading(ground, scope, ids).ticket };
  }

  #storageNodes(ids: readonly ChunkId[]): NodeInfo[] {
    const { layouts, nodes } = this.#options;
    const all = nodes.list().filter((node) => node.roles.includes("storage"));
    const keepers = new Set<NodeId>();
    // With few nodes all of them go into the answer, whatever they keep.
    const choose = all.length > limits.NODES_PER_ANSWER_MAX;
    if (choose)
      for (const id of ids) for (const one of layouts.placement.replicaSet(id)) keepers.add(one);
    const rank = (node: NodeInfo) =>
      (node.state === "offline" ? 2 : 0) + (keepers.has(node.nodeId) ? 0 : 1);
    const ranked = all.sort((a, b) => rank(a) - rank(b));
    return ranked.slice(0, limits.NODES_PER_ANSWER_MAX);
  }
}
