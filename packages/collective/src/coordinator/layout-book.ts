/**
 * Keeps the layout and the changes that are staged: the present ones in memory and in the store, a
 * bounded number of past layouts. The rules are in `layout-stage.ts`.
 */
import { type Logger, limits, MeshError } from "@hearthmesh/core";
import {
  type Compare,
  expectMissing,
  expectRevision,
  type KeyValue,
  type Operation,
  put,
  removeRange,
  type Store,
} from "@hearthmesh/store";
import { Placement } from "../storage/placement.js";
import type { Layout } from "../types.js";
import { keys } from "./keys.js";
import { emptyLayout, withReplicas } from "./layout-change.js";
import {
  applyStaged,
  type ChangeRequest,
  changeAtOnce,
  type LayoutState,
  revertStaged,
  type StagedChanges,
  stage,
} from "./layout-stage.js";
import { decodeJson, encodeJson } from "./records.js";
import { type Attempt, withRetries } from "./store-helpers.js";

export interface LayoutBookOptions {
  readonly store: Store;
  readonly replicas: number;
  /** Of the configuration: they hold while the layout names none. */
  readonly acks: number;
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

  /** Copies that a write waits for, when there are as many nodes. */
  get acks(): number {
    return Math.min(this.layout.acks ?? this.#options.acks, this.layout.replicas);
  }

  /** Reads the layout, or makes the first one. */
  async load(): Promise<void> {
    const row = await this.#options.store.get(keys.layout);
    if (row !== undefined) this.#placement = new Placement(decodeJson<Layout>(row.value));
    await this.change((layout) => withReplicas(layout, this.#options.replicas));
  }

  /** Applies a pure change at once; nothing is written when it changes nothing. */
  async change(alter: (layout: Layout) => Layout): Promise<Layout> {
    return (await this.#step((state) => changeAtOnce(state, alter))).layout;
  }

  /** The layout and what is staged, as the store has them now. */
  state(): Promise<LayoutState> {
    return this.#step((state) => state);
  }

  /** Adds to the staged changes. `MESH_BAD_REQUEST` when they contradict each other. */
  stage(request: ChangeRequest): Promise<LayoutState> {
    return this.#step((state) => stage(state, request));
  }

  /**
   * Makes the staged changes the layout. `check` may refuse what it sees with an error of its own.
   * `MESH_LAYOUT_CHANGED` when something else is staged than this version.
   */
  apply(version: number, check: (state: LayoutState) => Promise<void>): Promise<LayoutState> {
    return this.#step(async (state) => {
      const after = applyStaged(state, version);
      if (after !== state) await check(state);
      return after;
    });
  }

  revert(): Promise<LayoutState> {
    return this.#step(revertStaged);
  }

  /** One transaction; the step is made again when somebody else was faster. */
  #step(next: (state: LayoutState) => LayoutState | Promise<LayoutState>): Promise<LayoutState> {
    return withRetries(async (): Promise<Attempt<LayoutState>> => {
      const { store, replicas } = this.#options;
      const [row, stagedRow] = await Promise.all([store.get(keys.layout), store.get(keys.staged)]);
      const before: LayoutState = {
        layout: row === undefined ? emptyLayout(replicas) : decodeJson<Layout>(row.value),
        staged: stagedRow && decodeJson<StagedChanges>(stagedRow.value),
      };
      const after = await next(before);
      if (after.layout === before.layout && after.staged === before.staged && row !== undefined) {
        this.#adopt(before.layout);
        return { done: before };
      }
      const isNew = after.layout !== before.layout || row === undefined;
      const result = await store.transact({
        compare: [unchanged(keys.layout, row), unchanged(keys.staged, stagedRow)],
        success: [
          ...(isNew ? writeLayout(after.layout) : []),
          ...(after.staged === undefined ? [] : [put(keys.staged, encodeJson(after.staged))]),
        ],
      });
      if (!result.succeeded) return "again";
      if (isNew) this.#changed(after.layout);
      return { done: after };
    });
  }

  #changed(layout: Layout): void {
    this.#adopt(layout);
    const { version, nodes } = layout;
    this.#options.log.info("the layout has changed", {
      layoutVersion: version,
      count: nodes.length,
    });
    this.#options.onChanged(layout);
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

function unchanged(key: string, row: KeyValue | undefined): Compare {
  return row === undefined ? expectMissing(key) : expectRevision(key, row.modRevision);
}

/** With the removal of old layouts. */
function writeLayout(layout: Layout): Operation[] {
  const end = layout.version - limits.LAYOUT_VERSIONS_KEPT_MAX + 1;
  return [
    put(keys.layout, encodeJson(layout)),
    put(keys.layoutVersion(layout.version), encodeJson(layout)),
    ...(end > 0 ? [removeRange(keys.layoutVersionsBefore(end))] : []),
  ];
}
