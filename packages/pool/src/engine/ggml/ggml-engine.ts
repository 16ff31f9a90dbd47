/** `ShardEngine` on ggml's kernels: a processor's vector and matrix units, or a GPU. */
import type { ModelShape } from "../../model/model-shape.js";
import type { Shard } from "../../shards/shard.js";
import { embedRows } from "../embedding.js";
import { cacheRowsOf } from "../engine-memory.js";
import { isWholeModel } from "../engine-options.js";
import { CACHE_ROWS_STEP } from "../limits.js";
import { checkIndex, checkLength, checkRows, Sequences, wrongCall } from "../sequences.js";
import type { EngineBatch, EngineOptions, EngineStats, ShardEngine } from "../shard-engine.js";
import type { ShardTensors } from "../shard-tensors.js";
import type { SliceReader } from "../slice-reader.js";
import type { Pointer } from "./binding-table.js";
import type { OpenDevice } from "./devices.js";
import { type BuiltGraph, GraphCache } from "./graph-cache.js";
import { KeyValueCache } from "./key-value-cache.js";
import {
  ATTENTION_NODES_MAX,
  FEED_FORWARD_NODES_MAX,
  HEAD_NODES_MAX,
  LayerGraphs,
} from "./layer-graphs.js";
import type { GgmlLibrary } from "./library.js";
import { engineFailed } from "./native.js";
import { RowInputs } from "./row-inputs.js";
import type { NativeWeights } from "./weights.js";

const F32_BYTES = 4;

export interface GgmlEngineParts {
  readonly library: GgmlLibrary;
  readonly device: OpenDevice;
  readonly shape: ModelShape;
  readonly tensors: ShardTensors;
  readonly reader: SliceReader;
  readonly weights: NativeWeights;
  readonly options: EngineOptions;
}

export class GgmlEngine implements ShardEngine {
  readonly shape: ModelShape;
  readonly shard: Shard;
  readonly #parts: GgmlEngineParts;
  readonly #sequences: Sequences;
  readonly #graphs: GraphCache;
  readonly #layers: LayerGraphs;
  readonly #inputs: RowInputs;
  /** Of each slot that was ever open. */
  readonly #caches = new Map<number, KeyValueCache>();
  #isClosed = false;

  /** Owns its parts from now on: `close` closes them. */
  constructor(parts: GgmlEngineParts) {
    const { library, device, shape, weights, options } = parts;
    this.#parts = parts;
    this.shape = shape;
    this.shard = options.shard;
    this.#sequences = new Sequences(options);
    this.#graphs = new GraphCache(library, device);
    const kvHeads = options.shard.kvHeads.to - options.shard.kvHeads.from;
    const counts = { kvHeads, heads: kvHeads * (shape.heads / shape.kvHeads) };
    this.#layers = new LayerGraphs(library, shape, counts, weights.ropeFactors);
    this.#inputs = new RowInputs(library, device, {
      embeddingWidth: shape.embeddingWidth,
      batchRowsMax: options.batchRowsMax,
      cacheRows: cacheRowsOf(options.contextTokens),
    });
  }

  /** Allocates what the largest batch needs, so that later calls do not ask for memory. */
  reserve(): void {
    const { contextTokens, batchRowsMax } = this.#parts.options;
    this.#inputs.allocate();
    const rows = Math.min(batchRowsMax, contextTokens);
    const batch = { sequence: this.openSequence(), position: contextTokens - rows, rows };
    if (this.#hasAttention) this.#attentionGraph(0, batch);
    if (this.#hasFeedForward) this.#feedForwardGraph(0, rows);
    if (this.#hasHead) this.#headGraph();
    if (isWholeModel(this.shape, this.shard)) this.#forwardGraph(batch);
    this.closeSequence(batch.sequence);
  }

  openSequence(): number {
    this.#checkOpen();
    const sequence = this.#sequences.open();
    if (this.#caches.has(sequence)) return sequence;
    const { library, device, shape, options } = this.#parts;
    const { kvHeads } = options.shard;
    try {
      const cache = new KeyValueCache(library, device, {
        layers: shape.layers,
        kvWidth: (kvHeads.to - kvHeads.from) * shape.headWidth,
        cacheRows: cacheRowsOf(options.contextTokens),
      });
      this.#caches.set(sequence, cache);
    } catch (error) {
      this.#sequences.close(sequence);
      throw error;
    }
    return sequence;
  }

  closeSequence(sequence: number): void {
    this.truncate(sequence, 0);
    this.#sequences.close(sequence);
  }

  truncate(sequence: number, length: number): void {
    this.#checkOpen();
    const before = this.#sequences.truncate(sequence, length);
    this.#caches.get(sequence)?.clear(length, before);
  }

  embed(tokens: Int32Array, out: Float32Array): void {
    this.#checkOpen();
    checkRows(tokens.length, this.#parts.options.batchRowsMax);
    embedRows(this.#parts.reader, this.#parts.tensors.embedding, tokens, out);
  }

  attention(layer: number, x: Float32Array, batch: EngineBatch, partial: Float32Array): void {
    this.#checkOpen();
    checkIndex(layer, this.shape.layers, "layer");
    this.#sequences.check(batch);
    this.#checkRowsOf(batch.rows, x, partial);
    if (this.#hasAttention) {
      const graph = this.#attentionGraph(layer, batch);
      this.#inputs.writeRows(batch.position, batch.rows, seenRowsOf(batch));
      this.#run(graph, x, batch.rows, partial);
    } else {
      partial.fill(0, 0, batch.rows * this.shape.embeddingWidth);
    }
    this.#sequences.advance(batch);
  }

  feedForward(layer: number, x: Float32Array, rows: number, partial: Float32Array): void {
    this.#checkOpen();
    checkIndex(layer, this.shape.layers, "layer");
    checkRows(rows, this.#parts.options.batchRowsMax);
    this.#checkRowsOf(rows, x, partial);
    if (this.#hasFeedForward) this.#run(this.#feedForwardGraph(layer, rows), x, rows, partial);
    else partial.fill(0, 0, rows * this.shape.embeddingWidth);
  }

  head(x: Float32Array, logits: Float32Array): void {
    this.#checkOpen();
    checkLength(x, this.shape.embeddingWidth, "a row of activations");
    checkLength(logits, this.#vocabularyRows, "the room for logits");
    if (!this.#hasHead) return;
    const graph = this.#headGraph();
    this.#inputs.writeActivations(x, 1);
    this.#graphs.compute(graph);
    this.#readLogits(graph, logits);
  }

  forward(tokens: Int32Array, batch: EngineBatch, logits: Float32Array): void {
    this.#checkOpen();
    if (!isWholeModel(this.shape, this.shard)) {
      throw wrongCall("only a shard that is the whole model can go forward by itself");
    }
    this.#sequences.check(batch);
    if (tokens.length !== batch.rows) {
      throw wrongCall(`${tokens.length} tokens for ${batch.rows} rows`);
    }
    checkLength(logits, this.#vocabularyRows, "the room for logits");
    const x = new Float32Array(batch.rows * this.shape.embeddingWidth);
    this.embed(tokens, x);
    const graph = this.#forwardGraph(batch);
    this.#inputs.writeRows(batch.position, batch.rows, seenRowsOf(batch));
    this.#inputs.writeActivations(x, batch.rows);
    this.#graphs.compute(graph);
    this.#readLogits(graph, logits);
    this.#sequences.advance(batch);
  }

  stats(): EngineStats {
    const { device, weights, options } = this.#parts;
    const caches = [...this.#caches.values()];
    return {
      weightBytes: weights.bytes,
      cacheBytes: caches.reduce((sum, { bytes }) => sum + bytes, 0),
      scratchBytes: this.#graphs.scratchBytes + this.#inputs.bytes,
      description: `ggml ${device.name} (${weights.bufferTypes.join(", ")})`,
      threads: options.threads,
    };
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#graphs.free();
    for (const cache of this.#caches.values()) cache.free();
    this.#inputs.free();
    const { weights, device, reader } = this.#parts;
    weights.free();
    device.close();
    reader.close();
  }

  get #hasAttention(): boolean {
    return this.#parts.tensors.layers[0]?.attention !== undefined;
  }

  get #hasFeedForward(): boolean {
    return this.#parts.tensors.layers[0]?.feedForward !== undefined;
  }

  get #hasHead(): boolean {
    return this.#parts.weights.output.length > 0;
  }

  get #vocabularyRows(): number {
    return this.shard.vocabulary.to - this.shard.vocabulary.from;
  }

  #checkOpen(): void {
    if (this.#isClosed) throw engineFailed("the engine is closed");
  }

  #checkRowsOf(rows: number, x: Float32Array, partial: Float32Array): void {
    const needed = rows * this.shape.embeddingWidth;
    checkLength(x, needed, "the activations");
    checkLength(partial, needed, "the room for a partial sum");
  }

  #run(graph: BuiltGraph, x: Float32Array, rows: number, partial: Float32Array): void {
    const { base } = this.#parts.library;
    this.#inputs.writeActivations(x, rows);
    this.#graphs.compute(graph);
    const [output] = graph.outputs;
    if (output === undefined) throw engineFailed("a graph has no output");
    const bytes = rows * this.shape.embeddingWidth * F32_BYTES;
    base.ggml_backend_tensor_get(output, partial, 0, bytes);
  }

  #readLogits({ outputs }: BuiltGraph, logits: Float32Array): void {
    const { base } = this.#parts.library;
    let from = 0;
    for (const [index, { rows }] of this.#parts.weights.output.entries()) {
      const output = outputs[index];
      if (output === undefined) throw engineFailed("a graph lacks logits");
      const target = logits.subarray(from, from + rows);
      base.ggml_backend_tensor_get(output, target, 0, rows * F32_BYTES);
      from += rows;
    }
  }

  #attentionGraph(layer: number, batch: EngineBatch): BuiltGraph {
    const { rows, sequence } = batch;
    const key = `attention ${layer} ${sequence} ${rows} ${seenRowsOf(batch)}`;
    return this.#graphs.get(key, ATTENTION_NODES_MAX, (context, graph) => {
      const x = this.#inputs.activationsIn(context, rows);
      return [this.#attentionIn(context, graph, x, layer, batch)];
    });
  }

  #feedForwardGraph(layer: number, rows: number): BuiltGraph {
    return this.#graphs.get(`feed-forward ${layer} ${rows}`, FEED_FORWARD_NODES_MAX, (context) => {
      const x = this.#inputs.activationsIn(context, rows);
      return [this.#feedForwardIn(context, x, layer)];
    });
  }

  #headGraph(): BuiltGraph {
    const { outputNorm, output } = this.#parts.weights;
    return this.#graphs.get("head", HEAD_NODES_MAX, (context) =>
      this.#layers.head(context, this.#inputs.activationsIn(context, 1), outputNorm, output),
    );
  }

  /** All layers in one graph; behind the last attention only the last row is of interest. */
  #forwardGraph(batch: EngineBatch): BuiltGraph {
    const { rows, sequence } = batch;
    const { layers } = this.shape;
    const { outputNorm, output } = this.#parts.weights;
    const perLayer = ATTENTION_NODES_MAX + FEED_FORWARD_NODES_MAX;
    const key = `forward ${sequence} ${rows} ${seenRowsOf(batch)}`;
    return this.#graphs.get(key, layers * perLayer + HEAD_NODES_MAX, (context, graph) => {
      let x = this.#inputs.activationsIn(context, rows);
      for (let layer = 0; layer < layers; layer += 1) {
        const attended = this.#attentionIn(context, graph, x, layer, batch);
        x = this.#layers.add(context, x, attended);
        if (layer === layers - 1 && rows > 1) x = this.#layers.row(context, x, rows - 1);
        x = this.#layers.add(context, x, this.#feedForwardIn(context, x, layer));
      }
      return this.#layers.head(context, x, outputNorm, output);
    });
  }

  #attentionIn(
    context: Pointer,
    graph: Pointer,
    x: Pointer,
    layer: number,
    batch: EngineBatch,
  ): Pointer {
    const weights = this.#parts.weights.layers[layer];
    const cache = this.#caches.get(batch.sequence)?.layers[layer];
    if (weights?.attention === undefined || cache === undefined) {
      throw engineFailed(`the layer ${layer} has no attention here`);
    }
    const seenRows = seenRowsOf(batch);
    const views = this.#inputs.viewsIn(context, batch.rows, seenRows);
    const rows = { ...views, rows: batch.rows, seenRows };
    const { attention, attentionNorm } = weights;
    return this.#layers.attention(context, graph, x, attentionNorm, attention, cache, rows);
  }

  #feedForwardIn(context: Pointer, x: Pointer, layer: number): Pointer {
    const weights = this.#parts.weights.layers[layer];
    if (weights?.feedForward === undefined) {
      throw engineFailed(`the layer ${layer} has no feed-forward part here`);
    }
    const { feedForward, feedForwardNorm } = weights;
    return this.#layers.feedForward(context, x, feedForwardNorm, feedForward);
  }
}

/** Rows of the cache that a batch looks at, in whole steps. */
function seenRowsOf({ position, rows }: EngineBatch): number {
  return Math.ceil((position + rows) / CACHE_ROWS_STEP) * CACHE_ROWS_STEP;
}
