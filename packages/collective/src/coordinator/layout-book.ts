/** Keeps the layout: the present one in memory and in the store, a bounded number of past ones. */
import { type Logger, limits, MeshError } from "@hearthmesh/core";
import { expectMissing, expectRevision, put, remove, type Store } from "@hearthmesh/store";
import { Placement } from "../storage/placement.js";
import type { Layout } from "../types.js";
import { keys } from "./keys.js";
import { emptyLayout, withReplicas } from "./layout-change.js";
import { decodeJson, encodeJson } from "./records.js";
import { type Attempt, withRetries } from "./store-helpers.js";

export interface LayoutBookOptions {
  readonly store: Store;
  readonly replicas: number;
  readonly log: Logger;
  onChanged(layout: Layout): void;
}

export class LayoutBook {
  readonly #options: LayoutBookOptions;
  #placement: Placement;

  constructor(options: LayoutBookOptions) {
    this.#options = options;
    this.#placement = new Placement(emptyLayout(options.replicas));
  }

  get layout(): Layout {
    return this.#placement.layout;
  }

  get placement(): Placement {
    return this.#placement;
  }

  /** Reads the layout, or makes the first one. */
  async load(): Promise<void> {
    const row = await this.#options.store.get(keys.layout);
    if (row !== undefined) this.#placement = new Placement(decodeJson<Layout>(row.value));
    await this.change((layout) => withReplicas(layout, this.#options.replicas));
  }

  /** Applies a pure change in one transaction; nothing is written when it changes nothing. */
  change(alter: (layout: Layout) => Layout): Promise<Layout> {
    return withRetries(async (): Promise<Attempt<Layout>> => {
      const { store, replicas, log, onChanged } = this.#options;
      const row = await store.get(keys.layout);
      const before = row === undefined ? emptyLayout(replicas) : decodeJson<Layout>(row.value);
      const after = alter(before);
      if (after === before && row !== undefined) {
        this.#adopt(before);
        return { done: before };
      }
      const forgotten = after.version - limits.LAYOUT_VERSIONS_KEPT_MAX;
      const result = await store.transact({
        compare: [
          row === undefined
            ? expectMissing(keys.layout)
            : expectRevision(keys.layout, row.modRevision),
        ],
        success: [
          put(keys.layout, encodeJson(after)),
          put(keys.layoutVersion(after.version), encodeJson(after)),
          ...(forgotten > 0 ? [remove(keys.layoutVersion(forgotten))] : []),
        ],
      });
      if (!result.succeeded) return "again";
      this.#adopt(after);
      log.info("the layout has changed", {
        layoutVersion: after.version,
        count: after.nodes.length,
      });
      onChanged(after);
      return { done: after };
    });
  }

  /** Answers of the store may overtake each other: only what is newer is taken. */
  #adopt(layout: Layout): void {
    if (layout.version > this.#placement.layout.version) this.#placement = new Placement(layout);
  }

  /** A layout of the past. `MESH_NOT_FOUND` when it is no longer kept. */
  async version(version: number): Promise<Layout> {
    const row = await this.#options.store.get(keys.layoutVersion(version));
    if (row === undefined) {
      throw new MeshError("MESH_NOT_FOUND", { message: `layout ${version} is not kept` });
    }
    return decodeJson<Layout>(row.value);
  }
}
