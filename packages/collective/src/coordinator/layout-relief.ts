/**
 * What healing does to the layout, through the same book as the operator's changes: asking less of
 * a node whose disk is filling, setting a node aside that gave back damaged chunks, and taking
 * either back. Each is one transaction, fenced by the epoch of the leader; what an operator has
 * staged stays staged.
 *
 * Invariant: none of them may leave a chunk with fewer copies than it has. A change that would is
 * refused with `MESH_LAYOUT_UNSAFE`, and there is no way to force it; repair takes a copy away only
 * when all others are there.
 */
import { errorFields, MeshError, type NodeId } from "@hearthmesh/core";
import type { Layout, LayoutNode } from "../types.js";
import type { LayoutBook } from "./layout-book.js";
import {
  isDraining,
  withEased,
  withoutDraining,
  withoutEased,
  withQuarantine,
} from "./layout-change.js";
import { type LayoutDesk, type LayoutDeskOptions, refuseGrave } from "./layout-desk.js";
import type { LayoutPreview } from "./layout-preview.js";

export interface ReliefAnswer {
  readonly node: string;
  /** Versions before and after; the same when everything was so already. */
  readonly before: number;
  readonly after: number;
  /** What moves; absent when nothing was changed. */
  readonly moves?: LayoutPreview["moves"];
}

export class LayoutRelief {
  readonly #options: LayoutDeskOptions;
  readonly #desk: Pick<LayoutDesk, "preview" | "placed">;

  constructor(options: LayoutDeskOptions, desk: Pick<LayoutDesk, "preview" | "placed">) {
    this.#options = options;
    this.#desk = desk;
  }

  /**
   * Asks for this share of what the node gets now. `MESH_LAYOUT_UNSAFE` also when nothing would
   * move away: with as many copies as nodes a smaller weight changes nothing.
   */
  async ease(nodeIdOrName: string, share: number): Promise<ReliefAnswer> {
    if (!(share > 0 && share <= 1)) throw new MeshError("MESH_BAD_REQUEST");
    const node = this.#desk.placed(nodeIdOrName);
    const weightBytes = Math.floor(node.capacityBytes * share);
    return this.#change(
      node,
      (layout) => withEased(layout, node.nodeId, weightBytes),
      (preview) => refuseStill(preview, node),
    );
  }

  /**
   * Nothing is placed on it or read from it as long as others can give the same. One that gave
   * wrong bytes for good ones is not believed by its own scrub afterwards.
   */
  async quarantine(nodeIdOrName: string): Promise<ReliefAnswer> {
    const { clock, drains } = this.#options;
    const node = this.#desk.placed(nodeIdOrName);
    if (node.quarantined !== undefined) return unchanged(node, this.#layouts.layout);
    const passes = await this.#scrubbed(node.nodeId);
    const { wrong = 0 } = this.#options.nodes.info(node.nodeId)?.damageSeen ?? {};
    const trust = wrong > 0 ? { isUntrusted: true as const } : {};
    const mark = { atMs: clock.nowMs(), passes, ...trust };
    if (!isDraining(node)) drains.forget(node.nodeId);
    return this.#change(node, (layout) => withQuarantine(layout, node.nodeId, mark));
  }

  /** Both are taken back; a drain that a person asked for stays. */
  async release(nodeIdOrName: string): Promise<ReliefAnswer> {
    const node = this.#desk.placed(nodeIdOrName);
    const { nodeId, quarantined } = node;
    const answer = await this.#change(node, (layout) => {
      const eased = withoutEased(layout, nodeId);
      return quarantined === undefined ? eased : withoutDraining(eased, nodeId);
    });
    if (quarantined !== undefined) this.#options.drains.forget(nodeId);
    return answer;
  }

  get #layouts(): LayoutBook {
    return this.#options.layouts;
  }

  async #change(
    node: LayoutNode,
    alter: (layout: Layout) => Layout,
    check: (preview: LayoutPreview) => void = () => undefined,
  ): Promise<ReliefAnswer> {
    const before = this.#layouts.layout;
    const wanted = alter(before);
    if (wanted === before) return unchanged(node, before);
    const preview = await this.#desk.preview(before, wanted);
    refuseGrave(preview.warnings);
    check(preview);
    const { version } = await this.#layouts.change((layout) => {
      // What was looked at is not what is so any more: the next cycle looks again.
      if (layout.version !== before.version) throw new MeshError("MESH_LAYOUT_CHANGED");
      return alter(layout);
    });
    return { node: node.name, before: before.version, after: version, moves: preview.moves };
  }

  /** Asks for a whole scrub, by which it may be released; a node that does not tell has none. */
  async #scrubbed(nodeId: NodeId): Promise<number> {
    const { calls, log } = this.#options;
    try {
      return (await calls.scrub(nodeId, { run: true })).passes;
    } catch (error) {
      log.debug("a node in quarantine was not asked to scrub", { nodeId, ...errorFields(error) });
      return Number.MAX_SAFE_INTEGER;
    }
  }
}

function unchanged({ name }: LayoutNode, { version }: Layout): ReliefAnswer {
  return { node: name, before: version, after: version };
}

function refuseStill({ nodes }: LayoutPreview, { nodeId, name }: LayoutNode): void {
  const forecast = nodes.find((one) => one.nodeId === nodeId);
  if ((forecast?.loses.bytes ?? 0) > 0) return;
  throw new MeshError("MESH_LAYOUT_UNSAFE", {
    message: `asking less of ${name} would move nothing away from it`,
    hint: "Every node has a copy of nearly everything: add a storage node.",
  });
}
