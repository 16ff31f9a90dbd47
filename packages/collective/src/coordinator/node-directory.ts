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
import type { TicketVoid } from "../storage/ticket-voids.js";
import type { DamageSeen, Layout, LayoutNode, NodeInfo, StorageReport } from "../types.js";
import type { DrainWatch } from "./drain-watch.js";
import type { UnavailableNode } from "./durability.js";
import { keys } from "./keys.js";
import type { LayoutBook } from "./layout-book.js";
import { withNode, withoutNode } from "./layout-change.js";
import { corrected, isLeaving, nodeOf, placeOf } from "./layout-place.js";
import { reachableAddresses } from "./node-addresses.js";
import { NodeLinks } from "./node-links.js";
import { infoOf, isMachine, isStorage, type NodeRecord, type NodeState } from "./node-states.js";
import type { ReceiptKeys } from "./receipt-keys.js";
import { decodeJson, encodeJson } from "./records.js";

export interface NodeDirectoryOptions {
  readonly store: Store;
  readonly layouts: LayoutBook;
  readonly clock: Clock;
  readonly log: Logger;
  readonly memberId: MemberId;
  readonly epoch: number;
  readonly receiptKeys: ReceiptKeys;
  readonly reportIntervalMs: number;
  /** A node that is away for longer counts as lost. */
  readonly lostAfterMs: number;
  readonly drains: DrainWatch;
  /** Storage nodes that are new become part of the layout; else that is staged. */
  readonly autoJoin: boolean;
  /** Roles that the principal was enrolled with; without it a node has those that it names. */
  rolesOf?(principal: Principal): readonly NodeRole[];
  coordinators?: (() => readonly CoordinatorContact[]) | undefined;
  /** Whose tickets were taken back and might still be good at a node that was away. */
  voids?(): readonly TicketVoid[];
  /** Damage of a node that was read there by this coordinator. */
  damageSeen?(nodeId: NodeId): DamageSeen | undefined;
  /** A node came or went. */
  onChanged(nodeId: NodeId, online: boolean): void;
}

/**
 * How often the word of one node changes the layout. Each change moves chunks of others too, and
 * what somebody looks at meanwhile, such as healing, has to be looked at again.
 */
const CORRECTED_EVERY_MS = 60_000;

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
    const voids = this.#options.voids?.() ?? [];
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
      ...(voids.length === 0 ? {} : { voids }),
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
    const state = this.#find(nodeIdOrName);
    state.record = { ...state.record, removed: true };
    await this.#save(state.record);
    await this.#options.layouts.change((layout) => withoutNode(layout, state.record.nodeId));
    return this.#infoOf(state);
  }

  /** A node by its id or name. `MESH_NOT_FOUND` when no such node is known. */
  find(nodeIdOrName: string): NodeInfo {
    return this.#infoOf(this.#find(nodeIdOrName));
  }

  /** A storage node as it would be in the layout by its own word. `MESH_NOT_FOUND`. */
  wordOf(nodeIdOrName: string): LayoutNode {
    const state = this.#find(nodeIdOrName);
    if (isStorage(state)) return this.#layoutNode(state.record);
    throw new MeshError("MESH_BAD_REQUEST", { message: `${state.record.name} stores nothing` });
  }

  #find(nodeIdOrName: string): NodeState {
    const state = [...this.#states.values()].find(
      ({ record }) =>
        record.removed !== true && [record.nodeId as string, record.name].includes(nodeIdOrName),
    );
    if (state !== undefined) return state;
    throw new MeshError("MESH_NOT_FOUND", {
      message: `there is no node ${JSON.stringify(nodeIdOrName.slice(0, 80))}`,
      hint: "`mesh node list` shows the nodes.",
    });
  }

  #infoOf(state: NodeState): NodeInfo {
    const { memberId, drains, clock, lostAfterMs } = this.#options;
    const { nodeId } = state.record;
    const drain = this.#isLeaving(nodeId) ? drains.progress(nodeId) : undefined;
    const awayMs = clock.monotonicMs() - state.awaySinceMs;
    const isQuarantined = nodeOf(this.#options.layouts.layout, nodeId)?.quarantined !== undefined;
    const isLost = awayMs > lostAfterMs;
    const damageSeen = this.#options.damageSeen?.(nodeId);
    return infoOf(state, memberId, drain, { awayMs, isLost, isQuarantined, damageSeen });
  }

  /** Everybody but those that were taken out and have gone, by name. */
  list(): NodeInfo[] {
    return [...this.#states.values()]
      .filter((state) => state.record.removed !== true || state.link !== undefined)
      .map((state) => this.#infoOf(state))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  info(nodeId: NodeId): NodeInfo | undefined {
    const state = this.#states.get(nodeId);
    return state && this.#infoOf(state);
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
    return this.onlineStorage().filter((nodeId) => this.#isLeaving(nodeId));
  }

  /** Those of them that take new chunks. */
  takingChunks(): NodeId[] {
    return this.onlineStorage().filter((nodeId) => this.takesChunks(nodeId));
  }

  /** The same for one node. */
  takesChunks(nodeId: NodeId): boolean {
    const state = this.#states.get(nodeId);
    if (state === undefined || !isStorage(state) || state.link?.isOpen !== true) return false;
    return !this.#isLeaving(nodeId) && state.record.report?.readOnly === undefined;
  }

  #isLeaving(nodeId: NodeId): boolean {
    const isRemoved = this.#states.get(nodeId)?.record.removed === true;
    return isRemoved || isLeaving(this.#options.layouts.layout, nodeId);
  }

  /** Storage nodes of the layout that do not take chunks now, and why. */
  unavailable(): UnavailableNode[] {
    const { nodes } = this.#options.layouts.layout;
    const unavailable = nodes.flatMap(({ nodeId, name, capacityBytes }): UnavailableNode[] => {
      const state = this.#states.get(nodeId);
      if (state?.link?.isOpen !== true) return [{ name, state: "away", reason: "it is away" }];
      const { report } = state.record;
      const isFull = (report?.freeBytes ?? 0) < limits.CHUNK_BYTES_MAX;
      const noSpace = this.#isLeaving(nodeId) ? "it drains" : "it offers no space";
      const reason = report?.readOnly ?? (capacityBytes > 0 ? undefined : noSpace);
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
    const { record } = state;
    const { layouts, autoJoin } = this.#options;
    if (!record.roles.includes("storage") || record.removed === true) return;
    const node = this.#layoutNode(record);
    const place = placeOf(layouts.layout, record.nodeId);
    if (place === "in") {
      const correct = (layout: Layout) => corrected(layout, node, record.report !== undefined);
      if (correct(layouts.layout) === layouts.layout || !this.#mayCorrect(state)) return;
      await layouts.change(correct).catch((error: unknown) => {
        state.correctedMs = undefined;
        throw error;
      });
    } else if (place === "waiting" && autoJoin) {
      await layouts.change((layout) => withNode(layout, node));
    } else if (place === "waiting") {
      const { nodeId, name } = record;
      await layouts.stage({ nodes: [{ nodeId, name, add: node }] });
    }
  }

  /** What comes too early is said again in the next report. */
  #mayCorrect(state: NodeState): boolean {
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs - (state.correctedMs ?? -Infinity) < CORRECTED_EVERY_MS) return false;
    state.correctedMs = nowMs;
    return true;
  }

  /** What the node says of itself, as the layout has it. */
  #layoutNode({ nodeId, name, site, report }: NodeRecord): LayoutNode {
    const { layouts, memberId } = this.#options;
    const placed = nodeOf(layouts.layout, nodeId);
    const capacityBytes = report?.capacityBytes ?? placed?.capacityBytes ?? 0;
    return { nodeId, name, zone: { memberId, site }, capacityBytes };
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
