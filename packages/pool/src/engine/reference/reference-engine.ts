/**
 * `ShardEngine` in plain TypeScript: clear rather than fast. What the others are tested against,
 * and what runs tiny models where there are no libraries.
 */
import { MeshError } from "@hearthmesh/core";
import type { ModelShape } from "../../model/model-shape.js";
import type { Shard } from "../../shards/shard.js";
import { embedRows } from "../embedding.js";
import { isWholeModel } from "../engine-options.js";
import { checkIndex, checkLength, checkRows, Sequences, wrongCall } from "../sequences.js";
import type { EngineBatch, EngineOptions, EngineStats, ShardEngine } from "../shard-engine.js";
import type { AttentionSlices, ShardTensors, TensorSlice } from "../shard-tensors.js";
import type { SliceReader } from "../slice-reader.js";
import { attend, multiply, rmsNorm, rotate, swiglu } from "./arithmetic.js";
import type { ReferenceWeights } from "./reference-weights.js";

export interface ReferenceParts {
  readonly shape: ModelShape;
  readonly tensors: ShardTensors;
  readonly reader: SliceReader;
  readonly weights: ReferenceWeights;
  readonly weightBytes: number;
  readonly options: EngineOptions;
}

/** Of one layer of one sequence: `kvHeads x headWidth` numbers per token. */
interface LayerCache {
  readonly keys: Float32Array;
  readonly values: Float32Array;
}

export class ReferenceEngine implements ShardEngine {
  readonly shape: ModelShape;
  readonly shard: Shard;
  readonly #parts: ReferenceParts;
  readonly #sequences: Sequences;
  readonly #caches = new Map<number, readonly LayerCache[]>();
  readonly #kvHeads: number;
  #isClosed = false;

  constructor(parts: ReferenceParts) {
    this.#parts = parts;
    this.shape = parts.shape;
    this.shard = parts.options.shard;
    this.#sequences = new Sequences(parts.options);
    this.#kvHeads = this.shard.kvHeads.to - this.shard.kvHeads.from;
  }

  openSequence(): number {
    this.#checkOpen();
    const sequence = this.#sequences.open();
    const length = this.#parts.options.contextTokens * this.#kvWidth;
    const layers = Array.from({ length: this.shape.layers }, () => ({
      keys: new Float32Array(length),
      values: new Float32Array(length),
    }));
    this.#caches.set(sequence, layers);
    return sequence;
  }

  closeSequence(sequence: number): void {
    this.#checkOpen();
    this.#sequences.close(sequence);
    this.#caches.delete(sequence);
  }

  truncate(sequence: number, length: number): void {
    this.#checkOpen();
    this.#sequences.truncate(sequence, length);
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
    const slices = this.#parts.tensors.layers[layer];
    const cache = this.#caches.get(batch.sequence)?.[layer];
    const width = this.shape.embeddingWidth;
    partial.fill(0, 0, batch.rows * width);
    if (slices?.attention !== undefined && cache !== undefined) {
      for (let row = 0; row < batch.rows; row += 1) {
        const normed = this.#norm(rowOf(x, row, width), slices.attentionNorm);
        const part = this.#attendRow(normed, slices.attention, cache, batch.position + row);
        partial.set(part, row * width);
      }
    }
    this.#sequences.advance(batch);
  }

  feedForward(layer: number, x: Float32Array, rows: number, partial: Float32Array): void {
    this.#checkOpen();
    checkIndex(layer, this.shape.layers, "layer");
    checkRows(rows, this.#parts.options.batchRowsMax);
    this.#checkRowsOf(rows, x, partial);
    const width = this.shape.embeddingWidth;
    partial.fill(0, 0, rows * width);
    const slices = this.#parts.tensors.layers[layer];
    if (slices?.feedForward === undefined) return;
    const { gate, up, down } = slices.feedForward;
    for (let row = 0; row < rows; row += 1) {
      const normed = this.#norm(rowOf(x, row, width), slices.feedForwardNorm);
      const gated = swiglu(this.#multiply(gate, normed), this.#multiply(up, normed));
      partial.set(this.#multiply(down, gated), row * width);
    }
  }

  head(x: Float32Array, logits: Float32Array): void {
    this.#checkOpen();
    const { output, outputNorm } = this.#parts.tensors;
    const width = this.shape.embeddingWidth;
    checkLength(x, width, "a row of activations");
    checkLength(logits, output?.rows ?? 0, "the room for logits");
    if (output === undefined) return;
    logits.set(this.#multiply(output, this.#norm(rowOf(x, 0, width), outputNorm)));
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
    checkLength(logits, this.shape.vocabularySize, "the room for logits");
    const width = this.shape.embeddingWidth;
    const x = new Float32Array(batch.rows * width);
    const partial = new Float32Array(batch.rows * width);
    this.embed(tokens, x);
    for (let layer = 0; layer < this.shape.layers; layer += 1) {
      this.attention(layer, x, batch, partial);
      addTo(x, partial);
      this.feedForward(layer, x, batch.rows, partial);
      addTo(x, partial);
    }
    this.head(rowOf(x, batch.rows - 1, width), logits);
  }

  stats(): EngineStats {
    const { weightBytes, options } = this.#parts;
    const perSequence = 2 * this.shape.layers * options.contextTokens * this.#kvWidth * 4;
    return {
      weightBytes,
      cacheBytes: perSequence * this.#caches.size,
      scratchBytes: 0,
      description: "reference",
      threads: 1,
    };
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#caches.clear();
    this.#parts.reader.close();
  }

  get #kvWidth(): number {
    return this.#kvHeads * this.shape.headWidth;
  }

  #attendRow(
    normed: Float32Array,
    slices: AttentionSlices,
    cache: LayerCache,
    position: number,
  ): Float32Array {
    const { headWidth } = this.shape;
    const { biases, norms } = slices;
    const query = this.#multiply(slices.query, normed, biases?.query);
    const key = this.#multiply(slices.key, normed, biases?.key);
    this.#turnHeads(query, position, norms?.query);
    this.#turnHeads(key, position, norms?.key);
    cache.keys.set(key, position * this.#kvWidth);
    cache.values.set(this.#multiply(slices.value, normed, biases?.value), position * this.#kvWidth);
    const group = this.shape.heads / this.shape.kvHeads;
    const seen = new Float32Array(query.length);
    for (let head = 0; head * headWidth < query.length; head += 1) {
      const offset = Math.floor(head / group) * headWidth;
      const place = { tokens: position + 1, stride: this.#kvWidth, offset };
      seen.set(attend(rowOf(query, head, headWidth), cache, place), head * headWidth);
    }
    return this.#multiply(slices.output, seen);
  }

  /** Norms each head where the model does, and turns it by its position. */
  #turnHeads(heads: Float32Array, position: number, norm: TensorSlice | undefined): void {
    const { headWidth, rope } = this.shape;
    const { ropeFactors } = this.#parts.tensors;
    const factors = ropeFactors && this.#parts.weights.vector(ropeFactors);
    for (let at = 0; at < heads.length; at += headWidth) {
      const head = heads.subarray(at, at + headWidth);
      if (norm !== undefined) head.set(this.#norm(head, norm));
      rotate(head, position, rope, factors);
    }
  }

  #norm(x: Float32Array, weights: TensorSlice): Float32Array {
    return rmsNorm(x, this.#parts.weights.vector(weights), this.shape.normEpsilon);
  }

  #multiply(matrix: TensorSlice, x: Float32Array, bias?: TensorSlice): Float32Array {
    const { weights } = this.#parts;
    return multiply(weights.matrix(matrix), x, bias && weights.vector(bias));
  }

  #checkOpen(): void {
    if (!this.#isClosed) return;
    throw new MeshError("MESH_ENGINE_FAILED", { message: "the engine is closed" });
  }

  #checkRowsOf(rows: number, x: Float32Array, partial: Float32Array): void {
    const needed = rows * this.shape.embeddingWidth;
    checkLength(x, needed, "the activations");
    checkLength(partial, needed, "the room for a partial sum");
  }
}

function rowOf(values: Float32Array, row: number, width: number): Float32Array {
  return values.subarray(row * width, (row + 1) * width);
}

function addTo(x: Float32Array, partial: Float32Array): void {
  for (const [index, value] of partial.entries()) x[index] = (x[index] ?? 0) + value;
}
