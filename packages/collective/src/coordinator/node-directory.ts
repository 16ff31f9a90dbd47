/**
 * The nodes of a member: who registered, over which link, with what to say for itself.
 *
 * A node is `online` while the link on which it registered is open, else `offline`. A storage node
 * that registers for the first time becomes part of the layout; the operator takes it out again
 * with `remove`, after which it is `draining` while it is there: it gets nothing new, what it has
 * is copied elsewhere, and then deleted.
 */
import {
  type Clock,
  errorFields,
  type Logger,
  limits,
  type MemberId,
  MeshError,
  type NodeId,
} from "@hearthmesh/core";
import type { NodeRole, Principal } from "@hearthmesh/identity";
import type { Link, Peer } from "@hearthmesh/qwormhole";
import { put, type Store } from "@hearthmesh/store";
import type { CoordinatorContact } from "../authority/coordinators.js";
import type { NodeRegisterRequest, NodeRegisterResponse, NodeReportResponse } from "../protocol.js";
import type { Layout, NodeInfo, StorageReport } from "../types.js";
import type { UnavailableNode } from "./durability.js";
import { keys } from "./keys.js";
import type { LayoutBook } from "./layout-book.js";
import { isDraining, withCapacity, withNode, withoutNode } from "./layout-change.js";
import { reachableAddresses } from "./node-addresses.js";
import { NodeLinks } from "./node-links.js";
import { infoOf, isMachine, isStorage, type NodeRecord, type NodeState } from "./node-states.js";
import type { ReceiptKeys } from "./receipt-keys.js";
import { decodeJson, encodeJson } from "./records.js";

/** A disk that grew or shrank by less than this does not move chunks. */
const CAPACITY_CHANGE_MIN = 0.1;

export interface NodeDirectoryOptions {
  readonly store: Store;
  readonly layouts: LayoutBook;
  readonly clock: Clock;
  readonly log: Logger;
  readonly memberId: MemberId;
  readonly epoch: number;
  readonly receiptKeys: ReceiptKeys;
  readonly reportIntervalMs: number;
  /** Roles that the principal was enrolled with; without it a node has those that it names. */
  rolesOf?(principal: Principal): readonly NodeRole[];
  coordinators?: (() => readonly CoordinatorContact[]) | undefined;
  /** A node came or went. */
  onChanged(nodeId: NodeId, online: boolean): void;
}

export class NodeDirectory {
  readonly #options: NodeDirectoryOptions;
  readonly #links: NodeLinks;
  readonly #states = new Map<NodeId, NodeState>();
  #stopped = false;

  constructor(options: NodeDirectoryOptions) {
    this.#options = options;
    this.#links = new NodeLinks(options.clock);
  }

  async load(): Promise<void> {
    const { store, clock } = this.#options;
    const rows = await store.range(keys.nodes);
    for (const row of rows.entries) {
      const record = decodeJson<NodeRecord>(row.value);
      const state = { record, link: undefined, awaySinceMs: clock.monotonicMs() };
      this.#states.set(record.nodeId, state);
    }
  }

  /** From now on nothing is written: the store may be closed before the last link. */
  stop(): void {
    this.#stopped = true;
  }

  /** Every accepted link goes here; links of people are left alone. */
  attach(link: Link): void {
    if (!isMachine(link.peer.identity)) return;
    this.#links.attach(link, (error) => this.#onClosed(link, error));
  }

  async register(
    principal: Principal,
    peer: Peer,
    request: NodeRegisterRequest,
  ): Promise<NodeRegisterResponse> {
    const { layouts, memberId, epoch, receiptKeys, reportIntervalMs, clock } = this.#options;
    const { coordinators } = this.#options;
    const { nodeId } = principal;
    const link = await this.#links.linkOf(peer);
    const known = this.#states.get(nodeId);
    const isBack = known?.link === undefined;
    this.#refuseTooMany(known);
    const record = this.#recordOf(principal, peer, request, known?.record);
    const state: NodeState = known ?? { record, link, awaySinceMs: clock.monotonicMs() };
    state.record = record;
    state.link = link;
    this.#states.set(nodeId, state);
    await this.#save(record);
    await this.#place(state);
    const { log } = this.#options;
    const tell = isBack ? log.info.bind(log) : log.debug.bind(log);
    tell("a node has registered", { nodeId, nodeName: record.name });
    if (link.isOpen) this.#options.onChanged(nodeId, true);
    return {
      memberId,
      layout: layouts.layout,
      epoch,
      receiptKey: Buffer.from(receiptKeys.keyOf(nodeId)).toString("base64url"),
      reportIntervalMs,
      ...(coordinators === undefined ? {} : { coordinators: coordinators() }),
    };
  }

  async report(principal: Principal, report: StorageReport): Promise<NodeReportResponse> {
    const state = this.#states.get(principal.nodeId);
    if (state?.link === undefined) {
      throw new MeshError("MESH_NOT_FOUND", {
        message: "the node has not registered on this link",
        hint: "Register again.",
      });
    }
    const lastSeenMs = this.#options.clock.nowMs();
    state.record = { ...state.record, lastSeenMs, report };
    await this.#place(state);
    const { layouts, epoch } = this.#options;
    return { layoutVersion: layouts.layout.version, epoch };
  }

  /**
   * Takes a node out of the layout, by its id or name; what it holds moves while it is there.
   * `MESH_NOT_FOUND` when no such node is known.
   */
  async remove(nodeIdOrName: string): Promise<NodeInfo> {
    const state = [...this.#states.values()].find(
      ({ record }) =>
        record.removed !== true && [record.nodeId as string, record.name].includes(nodeIdOrName),
    );
    if (state === undefined) {
      throw new MeshError("MESH_NOT_FOUND", {
        message: `there is no node ${JSON.stringify(nodeIdOrName.slice(0, 80))}`,
        hint: "`mesh node list` shows the nodes.",
      });
    }
    state.record = { ...state.record, removed: true };
    await this.#save(state.record);
    const { layouts, memberId } = this.#options;
    const layout = await layouts.change((one) => withoutNode(one, state.record.nodeId));
    return infoOf(state, memberId, layout);
  }

  /** Everybody but those that were taken out and have gone, by name. */
  list(): NodeInfo[] {
    const { layouts, memberId } = this.#options;
    return [...this.#states.values()]
      .filter((state) => state.record.removed !== true || state.link !== undefined)
      .map((state) => infoOf(state, memberId, layouts.layout))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  info(nodeId: NodeId): NodeInfo | undefined {
    const state = this.#states.get(nodeId);
    const { layouts, memberId } = this.#options;
    return state === undefined ? undefined : infoOf(state, memberId, layouts.layout);
  }

  /** The open link of a registered node. */
  link(nodeId: NodeId): Link | undefined {
    const link = this.#states.get(nodeId)?.link;
    return link?.isOpen === true ? link : undefined;
  }

  /** Storage nodes with an open link, also those that drain. */
  onlineStorage(): NodeId[] {
    return [...this.#states.values()]
      .filter((state) => isStorage(state) && state.link?.isOpen === true)
      .map((state) => state.record.nodeId);
  }

  /** Those of them that should give away what they have. */
  leaving(): NodeId[] {
    const { nodes } = this.#options.layouts.layout;
    const placed = new Set(nodes.flatMap((node) => (isDraining(node) ? [] : [node.nodeId])));
    return this.onlineStorage().filter((nodeId) => !placed.has(nodeId));
  }

  /** Those of them that take new chunks. */
  takingChunks(): NodeId[] {
    return this.onlineStorage().filter((nodeId) => {
      const state = this.#states.get(nodeId);
      return state?.record.removed !== true && state?.record.report?.readOnly === undefined;
    });
  }

  /** Storage nodes of the layout that do not take chunks now, and why. */
  unavailable(): UnavailableNode[] {
    const { nodes } = this.#options.layouts.layout;
    const unavailable = nodes.flatMap(({ nodeId, name, capacityBytes }): UnavailableNode[] => {
      const state = this.#states.get(nodeId);
      if (state?.link?.isOpen !== true) return [{ name, state: "away", reason: "it is away" }];
      const { report } = state.record;
      const isFull = (report?.freeBytes ?? 0) < limits.CHUNK_BYTES_MAX;
      const reason = report?.readOnly ?? (capacityBytes > 0 ? undefined : "it offers no space");
      return reason === undefined ? [] : [{ name, state: isFull ? "full" : "refusing", reason }];
    });
    return unavailable.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The layout without the nodes that have been away for longer than `awayMs`. */
  layoutWithoutLost(awayMs: number): Layout {
    const { layouts, clock } = this.#options;
    const { layout } = layouts;
    const nowMs = clock.monotonicMs();
    const isLost = (nodeId: NodeId) => {
      const state = this.#states.get(nodeId);
      return state !== undefined && state.link === undefined && nowMs - state.awaySinceMs > awayMs;
    };
    const nodes = layout.nodes.filter((node) => !isLost(node.nodeId));
    return nodes.length === layout.nodes.length ? layout : { ...layout, nodes };
  }

  #recordOf(
    principal: Principal,
    peer: Peer,
    request: NodeRegisterRequest,
    known: NodeRecord | undefined,
  ): NodeRecord {
    const { rolesOf, clock } = this.#options;
    const allowed = principal.kind === "coordinator" ? undefined : rolesOf?.(principal);
    const report = request.report ?? known?.report;
    return {
      v: 1,
      nodeId: principal.nodeId,
      name: principal.name,
      roles: request.roles.filter((role) => allowed === undefined || allowed.includes(role)),
      site: request.site,
      addresses: reachableAddresses(request.addresses, peer.remoteAddress),
      version: request.version,
      lastSeenMs: clock.nowMs(),
      ...(report === undefined ? {} : { report }),
      ...(known?.removed === true ? { removed: true } : {}),
    };
  }

  /** Puts a storage node into the layout, or corrects what the layout says about it. */
  async #place(state: NodeState): Promise<void> {
    const { layouts, memberId } = this.#options;
    const { record } = state;
    if (!isStorage(state) || record.removed === true) return;
    const zone = { memberId, site: record.site };
    const placed = layouts.layout.nodes.find((node) => node.nodeId === record.nodeId);
    const capacityBytes = record.report?.capacityBytes ?? placed?.capacityBytes ?? 0;
    const moved = placed?.zone.site !== zone.site || placed.name !== record.name;
    if (placed === undefined || moved) {
      const node = { nodeId: record.nodeId, name: record.name, zone, capacityBytes };
      await layouts.change((layout) => withNode(layout, node));
    } else if (hasChanged(placed.capacityBytes, capacityBytes)) {
      await layouts.change((layout) => withCapacity(layout, record.nodeId, capacityBytes));
    }
  }

  #refuseTooMany(known: NodeState | undefined): void {
    if (known !== undefined || this.#states.size < limits.NODES_MAX) return;
    throw new MeshError("MESH_LIMIT", { message: `a member may have ${limits.NODES_MAX} nodes` });
  }

  #onClosed(link: Link, error: Error | undefined): void {
    const state = this.#states.get(link.peer.nodeId as NodeId);
    if (state === undefined || state.link !== link) return;
    const { clock, log } = this.#options;
    // Of two links one gives way: the node is there as long as any is open.
    state.link = this.#links.openLink(state.record.nodeId);
    if (state.link !== undefined) return;
    state.awaySinceMs = clock.monotonicMs();
    state.record = { ...state.record, lastSeenMs: clock.nowMs() };
    if (this.#stopped) return;
    const { nodeId, name: nodeName } = state.record;
    if (error === undefined) log.info("a node has left", { nodeId, nodeName });
    else log.warn("a node has gone", { nodeId, nodeName, ...errorFields(error) });
    this.#save(state.record).catch((error: unknown) =>
      log.warn("when a node was last seen could not be saved", errorFields(error)),
    );
    this.#options.onChanged(state.record.nodeId, false);
  }

  async #save(record: NodeRecord): Promise<void> {
    await this.#options.store.transact({
      success: [put(keys.node(record.nodeId), encodeJson(record))],
    });
  }
}

function hasChanged(beforeBytes: number, nowBytes: number): boolean {
  if (beforeBytes === 0 || nowBytes === 0) return beforeBytes !== nowBytes;
  return Math.abs(nowBytes - beforeBytes) / beforeBytes >= CAPACITY_CHANGE_MIN;
}
