/**
 * Which pieces of which tensors a shard consists of, and where they lie in the file. Pure: engines
 * load by it, `rangesOf` says what must be pulled, `weightBytesOf` what it takes in memory.
 *
 * Cut by rows: q, k, v (and their biases), gate and up, the output. Cut by columns: the output of
 * the attention and `ffn_down`, whose sums over all shards are the whole. Norms are on every shard;
 * the embedding is read row by row from the file.
 */
import { MeshError } from "@hearthmesh/core";
import type { Gguf, GgufTensor } from "../gguf/gguf.js";
import { TENSOR_TYPES } from "../gguf/tensor-types.js";
import type { ModelShape, TensorType } from "../model/model-shape.js";
import type { ByteRange } from "../models/model-library.js";
import type { Shard, Span } from "../shards/shard.js";

/** Some rows and some columns of a tensor. */
export interface TensorSlice {
  /** Of the tensor in the file. */
  readonly name: string;
  readonly type: TensorType;
  readonly rows: number;
  /** Numbers in one row of the slice. */
  readonly columns: number;
  /** Bytes of one row of the slice. */
  readonly rowBytes: number;
  /** Of its first row (whole, with the columns that do not belong to it) in the file. */
  readonly fileOffset: number;
  /** From row to row in the file. */
  readonly fileRowBytes: number;
  /** Where the columns of the slice begin in a row of the file. */
  readonly fileColumnBytes: number;
}

export interface AttentionSlices {
  readonly query: TensorSlice;
  readonly key: TensorSlice;
  readonly value: TensorSlice;
  readonly output: TensorSlice;
  /** One row each; qwen2. */
  readonly biases: Readonly<Record<"query" | "key" | "value", TensorSlice>> | undefined;
  /** One row of one head each; qwen3. */
  readonly norms: Readonly<Record<"query" | "key", TensorSlice>> | undefined;
}

interface LayerSlices {
  readonly attentionNorm: TensorSlice;
  /** Undefined when the shard has no KV head. */
  readonly attention: AttentionSlices | undefined;
  readonly feedForwardNorm: TensorSlice;
  /** Undefined when the shard has no column. */
  readonly feedForward: Readonly<Record<"gate" | "up" | "down", TensorSlice>> | undefined;
}

export interface ShardTensors {
  readonly layers: readonly LayerSlices[];
  readonly outputNorm: TensorSlice;
  /** Undefined when the shard has no row of the vocabulary. */
  readonly output: TensorSlice | undefined;
  readonly ropeFactors: TensorSlice | undefined;
  /** Whole; stays in the file. */
  readonly embedding: TensorSlice;
}

/** `MESH_MODEL_DAMAGED` or `MESH_BAD_REQUEST` when file, shape and shard do not fit together. */
export function shardTensorsOf(gguf: Gguf, shape: ModelShape, shard: Shard): ShardTensors {
  const slicer = new Slicer(gguf);
  checkSpan(shard.kvHeads, shape.kvHeads, "KV heads");
  checkSpan(shard.feedForward, shape.feedForwardWidth, "feed-forward columns");
  checkSpan(shard.vocabulary, shape.vocabularySize, "vocabulary rows");
  const layers: LayerSlices[] = [];
  for (let layer = 0; layer < shape.layers; layer += 1) {
    layers.push(layerSlices(slicer, `blk.${layer}.`, shape, shard));
  }
  const output = shape.hasTiedOutput ? "token_embd.weight" : "output.weight";
  return {
    layers,
    outputNorm: slicer.whole("output_norm.weight"),
    output: isEmpty(shard.vocabulary) ? undefined : slicer.rows(output, shard.vocabulary),
    ropeFactors: shape.rope.hasFactors ? slicer.whole("rope_freqs.weight") : undefined,
    embedding: slicer.whole("token_embd.weight"),
  };
}

function layerSlices(
  slicer: Slicer,
  prefix: string,
  shape: ModelShape,
  { kvHeads, feedForward }: Shard,
): LayerSlices {
  const keys = scaled(kvHeads, shape.headWidth);
  const queries = scaled(keys, shape.heads / shape.kvHeads);
  const rows = (name: string, span: Span) => slicer.rows(`${prefix}${name}.weight`, span);
  const bias = (name: string, span: Span) => slicer.columns(`${prefix}${name}.bias`, span);
  const attention: AttentionSlices | undefined = isEmpty(kvHeads)
    ? undefined
    : {
        query: rows("attn_q", queries),
        key: rows("attn_k", keys),
        value: rows("attn_v", keys),
        output: slicer.columns(`${prefix}attn_output.weight`, queries),
        biases: shape.hasAttentionBias
          ? {
              query: bias("attn_q", queries),
              key: bias("attn_k", keys),
              value: bias("attn_v", keys),
            }
          : undefined,
        norms: shape.hasQueryKeyNorm
          ? {
              query: slicer.whole(`${prefix}attn_q_norm.weight`),
              key: slicer.whole(`${prefix}attn_k_norm.weight`),
            }
          : undefined,
      };
  return {
    attentionNorm: slicer.whole(`${prefix}attn_norm.weight`),
    attention,
    feedForwardNorm: slicer.whole(`${prefix}ffn_norm.weight`),
    feedForward: isEmpty(feedForward)
      ? undefined
      : {
          gate: rows("ffn_gate", feedForward),
          up: rows("ffn_up", feedForward),
          down: slicer.columns(`${prefix}ffn_down.weight`, feedForward),
        },
  };
}

/** Every slice that is held in memory: all but the embedding. */
export function heldSlices(tensors: ShardTensors): TensorSlice[] {
  const slices: (TensorSlice | undefined)[] = [];
  for (const { attentionNorm, attention, feedForwardNorm, feedForward } of tensors.layers) {
    slices.push(attentionNorm, feedForwardNorm);
    if (attention !== undefined) {
      const { biases, norms, ...matrices } = attention;
      slices.push(...Object.values(matrices));
      slices.push(...Object.values(biases ?? {}), ...Object.values(norms ?? {}));
    }
    slices.push(...Object.values(feedForward ?? {}));
  }
  slices.push(tensors.outputNorm, tensors.output, tensors.ropeFactors);
  return slices.filter((slice) => slice !== undefined);
}

export function sliceBytes({ rows, rowBytes }: TensorSlice): number {
  return rows * rowBytes;
}

/** For `memoryOf`. */
export function weightBytesOf(tensors: ShardTensors): number {
  return heldSlices(tensors).reduce((sum, slice) => sum + sliceBytes(slice), 0);
}

/**
 * What an engine reads of the file, in order and merged. A tensor that is cut by columns counts
 * from its first row to its last: pieces of a row are smaller than what is worth asking for.
 */
export function rangesOf(tensors: ShardTensors): ByteRange[] {
  const ranges = [...heldSlices(tensors), tensors.embedding]
    .map(({ fileOffset, fileRowBytes, rows }) => ({
      from: fileOffset,
      to: fileOffset + fileRowBytes * rows,
    }))
    .sort((a, b) => a.from - b.from);
  const merged: { from: number; to: number }[] = [];
  for (const range of ranges) {
    const last = merged.at(-1);
    if (last !== undefined && range.from <= last.to) last.to = Math.max(last.to, range.to);
    else merged.push(range);
  }
  return merged;
}

const isEmpty = ({ from, to }: Span) => from === to;
const scaled = ({ from, to }: Span, by: number): Span => ({ from: from * by, to: to * by });

function checkSpan({ from, to }: Span, whole: number, what: string): void {
  const isWhole = Number.isSafeInteger(from) && Number.isSafeInteger(to);
  if (isWhole && from >= 0 && from <= to && to <= whole) return;
  const message = `a shard cannot have the ${what} ${from} to ${to} of ${whole}`;
  throw new MeshError("MESH_BAD_REQUEST", { message });
}

class Slicer {
  readonly #gguf: Gguf;

  constructor(gguf: Gguf) {
    this.#gguf = gguf;
  }

  whole(name: string): TensorSlice {
    const tensor = this.#tensor(name);
    return this.#slice(tensor, { from: 0, to: tensor.rows }, { from: 0, to: width(tensor) });
  }

  rows(name: string, rows: Span): TensorSlice {
    const tensor = this.#tensor(name);
    return this.#slice(tensor, rows, { from: 0, to: width(tensor) });
  }

  columns(name: string, columns: Span): TensorSlice {
    const tensor = this.#tensor(name);
    return this.#slice(tensor, { from: 0, to: tensor.rows }, columns);
  }

  #tensor(name: string): GgufTensor {
    const tensor = this.#gguf.tensors.get(name);
    if (tensor !== undefined) return tensor;
    throw new MeshError("MESH_MODEL_DAMAGED", { message: `the tensor ${name} is missing` });
  }

  #slice(tensor: GgufTensor, rows: Span, columns: Span): TensorSlice {
    const { name, type, rowBytes } = tensor;
    const { blockValues, blockBytes } = TENSOR_TYPES[type];
    if (rows.to > tensor.rows || columns.to > width(tensor)) {
      const message = `the tensor ${name} is smaller than the model's numbers say`;
      throw new MeshError("MESH_MODEL_DAMAGED", { message });
    }
    if (columns.from % blockValues !== 0 || columns.to % blockValues !== 0) {
      const cut = `${columns.from} to ${columns.to}`;
      const message = `${name} cannot be cut at the columns ${cut}: ${type} has ${blockValues}`;
      throw new MeshError("MESH_BAD_REQUEST", { message: `${message} in a block` });
    }
    const bytesAt = (column: number) => (column / blockValues) * blockBytes;
    return {
      name,
      type,
      rows: rows.to - rows.from,
      columns: columns.to - columns.from,
      rowBytes: bytesAt(columns.to - columns.from),
      fileOffset: tensor.offset + rows.from * rowBytes,
      fileRowBytes: rowBytes,
      fileColumnBytes: bytesAt(columns.from),
    };
  }
}

function width({ dimensions }: GgufTensor): number {
  return dimensions[0] ?? 0;
}
