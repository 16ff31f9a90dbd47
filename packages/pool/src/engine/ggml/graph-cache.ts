/**
 * Graphs that were built, with the one scratch buffer that all of them use in turn. A graph is
 * built once per part, rows and length of the cache; the least recently used one makes room.
 */
import { GRAPH_NODES_KEPT_MAX } from "../limits.js";
import { type Pointer, STATUS_SUCCESS } from "./binding-table.js";
import type { OpenDevice } from "./devices.js";
import type { GgmlLibrary } from "./library.js";
import { engineFailed, need, openContext } from "./native.js";

export interface BuiltGraph {
  readonly graph: Pointer;
  /** What it computes, in the order in which the builder said. */
  readonly outputs: readonly Pointer[];
}

/** Adds nodes to a context and a graph, and returns the outputs. */
export type GraphBuilder = (context: Pointer, graph: Pointer) => readonly Pointer[];

interface Kept extends BuiltGraph {
  readonly context: Pointer;
  readonly nodesMax: number;
  /** Number of the use that was the last one. */
  usedAt: number;
}

export class GraphCache {
  readonly #library: GgmlLibrary;
  readonly #device: OpenDevice;
  readonly #allocator: Pointer;
  readonly #nodesKeptMax: number;
  readonly #kept = new Map<string, Kept>();
  #nodesKept = 0;
  #uses = 0;

  constructor(library: GgmlLibrary, device: OpenDevice, nodesKeptMax = GRAPH_NODES_KEPT_MAX) {
    this.#library = library;
    this.#device = device;
    this.#nodesKeptMax = nodesKeptMax;
    const allocator = library.base.ggml_gallocr_new(device.bufferType);
    this.#allocator = need(allocator, "an allocator");
  }

  /** Number of graphs that are kept now. */
  get size(): number {
    return this.#kept.size;
  }

  get scratchBytes(): number {
    return this.#library.base.ggml_gallocr_get_buffer_size(this.#allocator, 0);
  }

  /** The graph of this key, built now when it is not kept; of at most `nodesMax` nodes. */
  get(key: string, nodesMax: number, build: GraphBuilder): BuiltGraph {
    const kept = this.#kept.get(key);
    if (kept !== undefined) {
      kept.usedAt = ++this.#uses;
      return kept;
    }
    while (this.#kept.size > 0 && this.#nodesKept + nodesMax > this.#nodesKeptMax) {
      this.#dropOldest();
    }
    const built = this.#build(nodesMax, build);
    this.#kept.set(key, built);
    this.#nodesKept += nodesMax;
    return built;
  }

  compute({ graph }: BuiltGraph): void {
    const status = this.#library.base.ggml_backend_graph_compute(this.#device.backend, graph);
    if (status !== STATUS_SUCCESS) throw engineFailed(`ggml could not compute: status ${status}`);
  }

  free(): void {
    for (const key of [...this.#kept.keys()]) this.#drop(key);
    this.#library.base.ggml_gallocr_free(this.#allocator);
  }

  #build(nodesMax: number, build: GraphBuilder): Kept {
    const { base } = this.#library;
    const context = openContext(
      this.#library,
      nodesMax,
      base.ggml_graph_overhead_custom(nodesMax, false),
    );
    try {
      const graph = need(base.ggml_new_graph_custom(context, nodesMax, false), "a graph");
      const outputs = build(context, graph);
      for (const output of outputs) {
        base.ggml_set_output(output);
        base.ggml_build_forward_expand(graph, output);
      }
      this.#place(graph);
      this.#checkSupport(graph);
      return { context, graph, outputs, nodesMax, usedAt: ++this.#uses };
    } catch (error) {
      base.ggml_free(context);
      throw error;
    }
  }

  /**
   * Gives the graph's nodes their places in the scratch buffer. A buffer that has to grow moves,
   * and with it the places in all other graphs: they are built again when they are needed.
   */
  #place(graph: Pointer): void {
    const { base } = this.#library;
    const before = this.scratchBytes;
    const isPlaced =
      base.ggml_gallocr_reserve(this.#allocator, graph) &&
      base.ggml_gallocr_alloc_graph(this.#allocator, graph);
    if (this.scratchBytes !== before) {
      for (const key of [...this.#kept.keys()]) this.#drop(key);
    }
    if (!isPlaced) throw engineFailed("there is no memory for intermediate results");
  }

  /** A node that a device cannot compute would end the process. */
  #checkSupport(graph: Pointer): void {
    const { base } = this.#library;
    const { device, name } = this.#device;
    const count = base.ggml_graph_n_nodes(graph);
    for (let index = 0; index < count; index += 1) {
      const node = base.ggml_graph_node(graph, index);
      if (node !== null && base.ggml_backend_dev_supports_op(device, node)) continue;
      const what = node === null ? "a node" : base.ggml_op_desc(node);
      throw engineFailed(`the device ${name} cannot compute ${what} of this model`);
    }
  }

  /** Graphs are used many times for each time that one has to go: the search is for then. */
  #dropOldest(): void {
    let oldest: string | undefined;
    let usedAt = Number.POSITIVE_INFINITY;
    for (const [key, kept] of this.#kept) {
      if (kept.usedAt >= usedAt) continue;
      oldest = key;
      usedAt = kept.usedAt;
    }
    if (oldest !== undefined) this.#drop(oldest);
  }

  #drop(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#kept.delete(key);
    this.#nodesKept -= kept.nodesMax;
    this.#library.base.ggml_free(kept.context);
  }
}
