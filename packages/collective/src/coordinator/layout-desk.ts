/**
 * What the operator does with the layout: stage, look, apply, revert; drain a node and take the
 * drain back; ask what would go with a node. Each answers with what is so afterwards.
 */
import { type Clock, type Logger, limits, MeshError, type NodeId } from "@hearthmesh/core";
import type { Store } from "@hearthmesh/store";
import type { Layout, LayoutNode, NodeInfo } from "../types.js";
import type { DamageBook } from "./damage-book.js";
import type { DrainWatch } from "./drain-watch.js";
import type { LayoutBook } from "./layout-book.js";
import { isDraining, withDraining, withoutDraining } from "./layout-change.js";
import { nodeOf } from "./layout-place.js";
import type { LayoutPreview, LayoutWarning } from "./layout-preview.js";
import {
  type ChangeRequest,
  hasChanges,
  type LayoutState,
  type NodePatch,
  type StagedChanges,
  stagedLayout,
} from "./layout-stage.js";
import { previewLayout } from "./layout-survey.js";
import type { NodeCalls } from "./node-calls.js";
import type { NodeDirectory } from "./node-directory.js";
import { lookBeforeRemoval, type RemovalFacts } from "./removal-check.js";

/** A walk over everything that takes longer than this is given up: nobody waits for it. */
const REMOVAL_LOOK_MS_MAX = 300_000;

export interface LayoutDeskOptions {
  readonly store: Store;
  readonly layouts: LayoutBook;
  readonly nodes: NodeDirectory;
  readonly damage: Pick<DamageBook, "forgive">;
  readonly drains: DrainWatch;
  readonly calls: NodeCalls;
  readonly clock: Clock;
  readonly log: Logger;
  /** Rest between two pages of a walk. */
  readonly pauseMs: number;
  readonly autoJoin: boolean;
}

/** What is asked for one node; `null` goes back to what the node says of itself. */
export interface NodeWish {
  /** Name or id. */
  readonly node: string;
  readonly action: "add" | "remove" | "change";
  readonly capacityBytes?: number | null;
  readonly site?: string | null;
}

export interface LayoutWish {
  readonly nodes: readonly NodeWish[];
  readonly replicas?: number;
  readonly acks?: number;
}

export interface LayoutOverview {
  readonly layout: Layout;
  /** Copies that a write waits for. */
  readonly acks: number;
  /** New storage nodes become part of the layout by themselves. */
  readonly autoJoin: boolean;
  /** Absent when nothing is staged. */
  readonly staged?: StagedChanges;
  readonly preview?: LayoutPreview;
}

export interface DrainAnswer {
  readonly node: NodeInfo;
  readonly layoutVersion: number;
  readonly preview?: LayoutPreview;
}

export class LayoutDesk {
  readonly #options: LayoutDeskOptions;

  constructor(options: LayoutDeskOptions) {
    this.#options = options;
  }

  async overview(): Promise<LayoutOverview> {
    return this.#overview(await this.#options.layouts.state());
  }

  async stage(wish: LayoutWish): Promise<LayoutOverview> {
    const { layouts } = this.#options;
    const request: ChangeRequest = {
      nodes: wish.nodes.map((one) => this.#patch(one)),
      ...(wish.replicas === undefined ? {} : { replicas: wish.replicas }),
      ...(wish.acks === undefined ? {} : { acks: wish.acks }),
    };
    return this.#overview(await layouts.stage(request));
  }

  /** `MESH_LAYOUT_CHANGED`; `MESH_LAYOUT_UNSAFE` for grave warnings, unless it is forced. */
  async apply(version: number, force: boolean): Promise<LayoutOverview> {
    const check = async (state: LayoutState) => {
      if (!force) refuseGrave((await this.preview(state.layout, stagedLayout(state))).warnings);
    };
    return this.#overview(await this.#options.layouts.apply(version, check));
  }

  async revert(): Promise<LayoutOverview> {
    return this.#overview(await this.#options.layouts.revert());
  }

  /** `MESH_LAYOUT_UNSAFE` when the others have no room or copies would be too few. */
  async drain(nodeIdOrName: string, force: boolean): Promise<DrainAnswer> {
    const { layouts, drains } = this.#options;
    const node = this.placed(nodeIdOrName);
    if (isDraining(node)) return this.#drainAnswer(node.nodeId);
    const preview = await this.preview(layouts.layout, withDraining(layouts.layout, node.nodeId));
    if (!force) refuseGrave(preview.warnings);
    drains.forget(node.nodeId);
    await layouts.change((layout) => withDraining(layout, node.nodeId));
    return { ...this.#drainAnswer(node.nodeId), preview };
  }

  async undrain(nodeIdOrName: string): Promise<DrainAnswer> {
    const { layouts, drains } = this.#options;
    const node = this.placed(nodeIdOrName);
    if (node.quarantined !== undefined) await this.#forgive(node.nodeId);
    await layouts.change((layout) => withoutDraining(layout, node.nodeId));
    drains.forget(node.nodeId);
    return this.#drainAnswer(node.nodeId);
  }

  /** Else healing would set it aside again at once, by what is known already. */
  async #forgive(nodeId: NodeId): Promise<void> {
    const { nodes, damage } = this.#options;
    await damage.forgive(nodeId, nodes.info(nodeId)?.storage?.corruptLastDay ?? 0);
  }

  /** What would be lost if the node went now. Takes a walk over everything. */
  async lookBeforeRemoval(nodeIdOrName: string): Promise<RemovalFacts> {
    const { nodes, clock } = this.#options;
    const { nodeId, roles } = nodes.find(nodeIdOrName);
    if (!roles.includes("storage")) return { chunksHeld: 0, onlyCopies: 0, isPartial: false };
    const stop = new AbortController();
    const timer = clock.setTimeout(
      () => stop.abort(new MeshError("MESH_TIMEOUT", { message: "looking at all chunks" })),
      REMOVAL_LOOK_MS_MAX,
    );
    try {
      const online = () => nodes.onlineStorage();
      return await lookBeforeRemoval({ ...this.#options, online, signal: stop.signal }, nodeId);
    } finally {
      timer.cancel();
    }
  }

  async #overview(state: LayoutState): Promise<LayoutOverview> {
    const { layouts, autoJoin } = this.#options;
    const { layout, staged } = state;
    const facts = { layout, acks: layouts.acks, autoJoin };
    if (!hasChanges(staged)) return facts;
    return { ...facts, staged, preview: await this.preview(layout, stagedLayout(state)) };
  }

  /** What a change would move, and what is dangerous about it. */
  preview(before: Layout, after: Layout): Promise<LayoutPreview> {
    const nodes = this.#options.nodes.list();
    return previewLayout(this.#options, { before, after, nodes });
  }

  #drainAnswer(nodeId: NodeId): DrainAnswer {
    const { nodes, layouts } = this.#options;
    return { node: nodes.find(nodeId), layoutVersion: layouts.layout.version };
  }

  #patch({ node, action, capacityBytes, site }: NodeWish): NodePatch {
    const { nodes, layouts } = this.#options;
    const { nodeId, name } = nodes.find(node);
    const placed = nodeOf(layouts.layout, nodeId);
    if (action === "remove") {
      if (placed === undefined) this.placed(node);
      return { nodeId, name, remove: true };
    }
    const said = nodes.wordOf(node);
    if (action === "change" && placed === undefined) this.placed(node);
    return {
      nodeId,
      name,
      ...(placed === undefined ? { add: said } : {}),
      ...choice("capacity", capacityBytes, said.capacityBytes),
      ...choice("site", site, said.zone.site),
    };
  }

  /** `MESH_NOT_FOUND`, `MESH_BAD_REQUEST` for a node that is not in the layout. */
  placed(nodeIdOrName: string): LayoutNode {
    const { nodes, layouts } = this.#options;
    const { nodeId, name } = nodes.find(nodeIdOrName);
    const node = nodeOf(layouts.layout, nodeId);
    if (node !== undefined) return node;
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `${name} is not in the layout`,
      hint: `Add it first: \`mesh layout stage --add ${name}\`.`,
    });
  }
}

function choice<Name extends "capacity" | "site", Value>(
  name: Name,
  wish: Value | null | undefined,
  said: Value,
): object {
  if (wish === undefined) return {};
  return { [name]: wish === null ? { value: said, chosen: false } : { value: wish, chosen: true } };
}

/** `MESH_LAYOUT_UNSAFE`, with all that is dangerous. */
export function refuseGrave(warnings: readonly LayoutWarning[]): void {
  const grave = warnings.filter((warning) => warning.grave);
  if (grave.length === 0) return;
  throw new MeshError("MESH_LAYOUT_UNSAFE", {
    message: grave.map(({ message }) => message).join("; "),
    details: { warnings: grave.slice(0, limits.NODES_PER_ANSWER_MAX) },
  });
}
