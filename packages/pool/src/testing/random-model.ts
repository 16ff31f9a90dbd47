/**
 * Models with random weights of any shape, the same for the same seed. What they say makes no
 * sense; their numbers are as large as those of real ones, so arithmetic and speed can be looked
 * at.
 */
import { type ShapeNumbers, tensorsOfShape } from "../gguf/check-model-tensors.js";
import type { GgufMetadata, GgufValue } from "../gguf/gguf.js";
import { numberToHalf } from "../gguf/half.js";
import { TENSOR_TYPES } from "../gguf/tensor-types.js";
import { type GgufTensorSource, ggufBytes } from "../gguf/write-gguf.js";
import type { TensorType } from "../model/model-shape.js";
import { Xoshiro128 } from "../sampling/xoshiro128.js";
import { tinyVocabulary } from "./tiny-vocabulary.js";

/** Two KV heads with two query heads each, odd widths where they may be odd. */
export const TINY_SHAPE: ShapeNumbers = {
  architecture: "llama",
  name: "tiny",
  layers: 2,
  embeddingWidth: 64,
  heads: 4,
  kvHeads: 2,
  headWidth: 16,
  feedForwardWidth: 96,
  vocabularySize: 320,
  contextTokensMax: 128,
  normEpsilon: 1e-5,
  rope: { style: "interleaved", dimensions: 16, base: 10_000, scale: 1, hasFactors: false },
  hasAttentionBias: false,
  hasQueryKeyNorm: false,
  hasTiedOutput: false,
};

export interface RandomModelOptions {
  readonly shape: ShapeNumbers;
  /** Of the matrices of the blocks; `F32` when it is not given. */
  readonly type?: TensorType;
  /** Of the embedding and the output; `type` when it is not given. */
  readonly vocabularyType?: TensorType;
  readonly seed?: number;
}

export interface RandomModel {
  readonly metadata: GgufMetadata;
  readonly tensors: readonly GgufTensorSource[];
}

/** To be written by `ggufPieces`, which never holds more than a piece in memory. */
export function randomModel(options: RandomModelOptions): RandomModel {
  const { shape, type = "F32", seed = 1 } = options;
  const vocabularyType = options.vocabularyType ?? type;
  const tensors = [...tensorsOfShape(shape)].map(([name, dimensions], index) => {
    const isVector = dimensions.length === 1;
    const isVocabulary = name === "token_embd.weight" || name === "output.weight";
    return {
      name,
      dimensions,
      type: isVector ? "F32" : isVocabulary ? vocabularyType : type,
      pieces() {
        const random = new Xoshiro128(seed * 65_536 + index);
        if (isVector) return [vector(name, dimensions[0] ?? 0, random)];
        return matrix(this.type, dimensions, deviationOf(name, dimensions[0] ?? 1), random);
      },
    } satisfies GgufTensorSource;
  });
  return { metadata: metadataOf(shape), tensors };
}

/** The whole file in memory, for small shapes. */
export function randomModelBytes(options: RandomModelOptions): Uint8Array {
  const { metadata, tensors } = randomModel(options);
  return ggufBytes(metadata, tensors);
}

function metadataOf(shape: ShapeNumbers): Map<string, GgufValue> {
  const { architecture } = shape;
  const metadata = new Map<string, GgufValue>();
  const text = (key: string, value: string) => metadata.set(key, { type: "string", value });
  const count = (key: string, value: number) =>
    metadata.set(`${architecture}.${key}`, { type: "u32", value });
  const real = (key: string, value: number) =>
    metadata.set(`${architecture}.${key}`, { type: "f32", value });
  text("general.architecture", architecture);
  text("general.name", shape.name);
  count("context_length", shape.contextTokensMax);
  count("embedding_length", shape.embeddingWidth);
  count("block_count", shape.layers);
  count("feed_forward_length", shape.feedForwardWidth);
  count("attention.head_count", shape.heads);
  count("attention.head_count_kv", shape.kvHeads);
  count("attention.key_length", shape.headWidth);
  count("attention.value_length", shape.headWidth);
  count("rope.dimension_count", shape.rope.dimensions);
  count("vocab_size", shape.vocabularySize);
  real("attention.layer_norm_rms_epsilon", shape.normEpsilon);
  real("rope.freq_base", shape.rope.base);
  if (shape.rope.scale !== 1) {
    text(`${architecture}.rope.scaling.type`, "linear");
    real("rope.scaling.factor", shape.rope.scale);
  }
  for (const [key, value] of tinyVocabulary(shape.vocabularySize)) metadata.set(key, value);
  return metadata;
}

/** So that the residual neither dies nor explodes over the layers. */
function deviationOf(name: string, inputs: number): number {
  if (name === "token_embd.weight") return 1;
  if (/attn_(q|k)\.weight$/.test(name)) return 1.5 / Math.sqrt(inputs);
  if (/attn_output\.weight$/.test(name)) return 0.5 / Math.sqrt(inputs);
  if (/ffn_down\.weight$/.test(name)) return 0.7 / Math.sqrt(inputs);
  return 1 / Math.sqrt(inputs);
}

/** Norms and rope factors around 1, biases around 0. */
function vector(name: string, length: number, random: Xoshiro128): Uint8Array {
  const centre = name.endsWith(".bias") ? 0 : 1;
  const values = Float32Array.from({ length }, () => centre + (random.float() - 0.5) * 0.2);
  return new Uint8Array(values.buffer);
}

/** Numbers in one piece. */
const PIECE_VALUES = 1 << 20;

function* matrix(
  type: TensorType,
  dimensions: readonly number[],
  deviation: number,
  random: Xoshiro128,
): Generator<Uint8Array> {
  const { blockValues, blockBytes } = TENSOR_TYPES[type];
  let left = dimensions.reduce((product, size) => product * size, 1) / blockValues;
  while (left > 0) {
    const blocks = Math.min(left, PIECE_VALUES / blockValues);
    // Whole words, so that filling is fast.
    const words = new Uint32Array(Math.ceil((blocks * blockBytes) / 4));
    for (let index = 0; index < words.length; index += 1) words[index] = random.word();
    const bytes = new Uint8Array(words.buffer, 0, blocks * blockBytes);
    const view = new DataView(bytes.buffer);
    for (let block = 0; block < blocks; block += 1) {
      finishBlock(type, view, block * blockBytes, deviation);
    }
    yield bytes;
    left -= blocks;
  }
}

/**
 * Makes a block of random bits one whose numbers have about this standard deviation: the scale is
 * the deviation divided by that of the random integers, and a minimum makes the mean zero.
 */
function finishBlock(type: TensorType, view: DataView, at: number, deviation: number): void {
  const half = (to: number, value: number) => view.setUint16(to, numberToHalf(value), true);
  const uniform = (bits: number, most: number) => (bits / most - 0.5) * Math.sqrt(12) * deviation;
  if (type === "F32") {
    view.setFloat32(at, uniform(view.getUint32(at, true), 2 ** 32 - 1), true);
  } else if (type === "F16") {
    half(at, uniform(view.getUint16(at, true), 65_535));
  } else if (type === "BF16") {
    const number = new DataView(new ArrayBuffer(4));
    number.setFloat32(0, uniform(view.getUint16(at, true), 65_535));
    view.setUint16(at, number.getUint16(0), true);
  } else if (type === "Q4_0") {
    half(at, deviation / 4.6);
  } else if (type === "Q8_0") {
    half(at, deviation / 74);
    // No quantiser writes -128.
    for (let to = at + 2; to < at + 34; to += 1) {
      if (view.getInt8(to) === -128) view.setInt8(to, -127);
    }
  } else if (type === "Q6_K") {
    half(at + 208, deviation / 1360);
  } else {
    const [integers, mean] = type === "Q4_K" ? [220, 7.5] : [450, 15.5];
    half(at, deviation / integers);
    half(at + 2, (deviation / integers) * mean);
  }
}
