/**
 * What a GGUF file says about its model, held against the tensors that are really there.
 * `MESH_MODEL_UNSUPPORTED` names what is not supported, `MESH_MODEL_DAMAGED` what contradicts.
 * Source: the keys and tensors that llama.cpp reads for these architectures.
 */
import type { Architecture, ModelShape, RopeShape } from "../model/model-shape.js";
import { checkModelTensors } from "./check-model-tensors.js";
import type { Gguf } from "./gguf.js";
import {
  MODEL_CONTEXT_TOKENS_MAX,
  MODEL_HEADS_MAX,
  MODEL_LAYERS_MAX,
  MODEL_VOCABULARY_MAX,
  MODEL_WIDTH_MAX,
} from "./limits.js";
import { metadataCount, metadataNumber, metadataString, metadataStrings } from "./metadata.js";
import { damaged, unsupported } from "./model-errors.js";
import { TENSOR_TYPES } from "./tensor-types.js";

const ROPE_STYLES: Readonly<Record<Architecture, RopeShape["style"]>> = {
  llama: "interleaved",
  qwen2: "halves",
  qwen3: "halves",
};
const ROPE_BASE_DEFAULT = 10_000;

/** Keys that change the mathematics and that the engines do not know. */
const UNSUPPORTED_KEYS: readonly string[] = [
  ...["expert_count", "attention.scale", "attention.clamp_kqv", "attention.sliding_window"],
  ...["logit_scale", "embedding_scale", "residual_scale", "final_logit_softcapping"],
];

export function modelShapeOf(gguf: Gguf): ModelShape {
  const architecture = architectureOf(gguf);
  const count = (key: string, max: number): number => {
    const value = metadataCount(gguf, `${architecture}.${key}`, 1, max);
    if (value === undefined) throw damaged(`${architecture}.${key} is missing`);
    return value;
  };
  const heads = headCount(gguf, `${architecture}.attention.head_count`);
  if (heads === undefined) throw damaged(`${architecture}.attention.head_count is missing`);
  const kvHeads = headCount(gguf, `${architecture}.attention.head_count_kv`) ?? heads;
  if (heads % kvHeads !== 0) throw damaged(`${heads} heads do not share ${kvHeads} KV heads`);
  const embeddingWidth = count("embedding_length", MODEL_WIDTH_MAX);
  const epsilonKey = `${architecture}.attention.layer_norm_rms_epsilon`;
  const normEpsilon = metadataNumber(gguf, epsilonKey);
  if (normEpsilon === undefined || normEpsilon <= 0) throw damaged(`${epsilonKey} is missing`);
  const headWidth = headWidthOf(gguf, architecture, embeddingWidth, heads);
  const numbers = {
    architecture,
    name: metadataString(gguf, "general.name") ?? "",
    layers: count("block_count", MODEL_LAYERS_MAX),
    embeddingWidth,
    heads,
    kvHeads,
    headWidth,
    feedForwardWidth: feedForwardWidthOf(gguf, architecture),
    vocabularySize: vocabularySizeOf(gguf),
    contextTokensMax: count("context_length", MODEL_CONTEXT_TOKENS_MAX),
    normEpsilon,
    rope: ropeOf(gguf, architecture, headWidth),
    hasAttentionBias: gguf.tensors.has("blk.0.attn_q.bias"),
    hasQueryKeyNorm: architecture === "qwen3",
    hasTiedOutput: !gguf.tensors.has("output.weight"),
  };
  checkModelTensors(gguf, numbers);
  return { ...numbers, ...unitsOf(gguf, numbers), weightBytes: weightBytesOf(gguf) };
}

function architectureOf(gguf: Gguf): Architecture {
  const name = metadataString(gguf, "general.architecture");
  if (name === undefined) throw damaged("general.architecture is missing");
  if (name !== "llama" && name !== "qwen2" && name !== "qwen3") {
    const shown = name.slice(0, 64);
    throw unsupported(`the architecture ${shown} is not supported; llama, qwen2 and qwen3 are`);
  }
  const kind = metadataString(gguf, "general.type") ?? "model";
  if (kind !== "model") throw unsupported(`this is a file of the type ${kind}, and no model`);
  const parts = metadataCount(gguf, "split.count", 0, 65_535) ?? 0;
  if (parts > 1) throw unsupported(`the model is split over ${parts} files; join them first`);
  for (const key of UNSUPPORTED_KEYS) {
    const value = metadataNumber(gguf, `${name}.${key}`) ?? 0;
    if (value !== 0) throw unsupported(`${name}.${key} is ${value}, which is not supported`);
  }
  return name;
}

/** Some files give a count per layer; they are the same in all layers, or it is not supported. */
function headCount(gguf: Gguf, key: string, max = MODEL_HEADS_MAX): number | undefined {
  const entry = gguf.metadata.get(key);
  if (entry?.type !== "array") return metadataCount(gguf, key, 1, max);
  const [first] = entry.values;
  if (entry.values.some((value) => value !== first)) {
    throw unsupported(`${key} differs from layer to layer`);
  }
  const isCount = Number.isSafeInteger(first) && Number(first) >= 1 && Number(first) <= max;
  if (!isCount) throw damaged(`${key} should be a whole number from 1 to ${max}`);
  return Number(first);
}

function feedForwardWidthOf(gguf: Gguf, architecture: Architecture): number {
  const key = `${architecture}.feed_forward_length`;
  const width = headCount(gguf, key, MODEL_WIDTH_MAX);
  if (width === undefined) throw damaged(`${key} is missing`);
  return width;
}

function headWidthOf(
  gguf: Gguf,
  architecture: Architecture,
  embeddingWidth: number,
  heads: number,
): number {
  const key = (name: string) =>
    metadataCount(gguf, `${architecture}.attention.${name}`, 1, MODEL_WIDTH_MAX);
  const width = key("key_length") ?? embeddingWidth / heads;
  if (!Number.isInteger(width)) throw damaged(`${heads} heads do not share ${embeddingWidth}`);
  const valueWidth = key("value_length") ?? embeddingWidth / heads;
  if (valueWidth !== width) throw unsupported("keys and values are of different widths");
  return width;
}

function vocabularySizeOf(gguf: Gguf): number {
  const embedding = gguf.tensors.get("token_embd.weight");
  if (embedding === undefined) throw damaged("the tensor token_embd.weight is missing");
  const tokens = metadataStrings(gguf, "tokenizer.ggml.tokens")?.length;
  if (tokens !== undefined && tokens !== embedding.rows) {
    throw damaged(`there are ${tokens} tokens and ${embedding.rows} rows of the embedding`);
  }
  if (embedding.rows > MODEL_VOCABULARY_MAX) {
    throw unsupported(`${embedding.rows} tokens; at most ${MODEL_VOCABULARY_MAX} are supported`);
  }
  return embedding.rows;
}

function ropeOf(gguf: Gguf, architecture: Architecture, headWidth: number): RopeShape {
  const number = (key: string) => metadataNumber(gguf, `${architecture}.rope.${key}`);
  const dimensions =
    metadataCount(gguf, `${architecture}.rope.dimension_count`, 2, headWidth) ?? headWidth;
  if (dimensions % 2 !== 0) throw damaged(`rope turns ${dimensions} numbers, an odd count`);
  const base = number("freq_base") ?? ROPE_BASE_DEFAULT;
  const type = metadataString(gguf, `${architecture}.rope.scaling.type`) ?? "linear";
  if (type !== "linear" && type !== "none") {
    throw unsupported(`rope scaling of the type ${type.slice(0, 32)} is not supported`);
  }
  // Zero stands for "not given", as llama.cpp reads it.
  const factor = number("scaling.factor") ?? number("scale_linear") ?? 0;
  const scale = type === "none" || factor === 0 ? 1 : factor;
  if (base <= 0 || scale < 0) throw damaged("the numbers of rope are not positive");
  return {
    style: ROPE_STYLES[architecture],
    dimensions,
    base,
    scale,
    hasFactors: gguf.tensors.has("rope_freqs.weight"),
  };
}

/**
 * Where feed-forward columns and KV heads can be cut: at whole blocks of what is cut in
 * columns.
 */
function unitsOf(
  gguf: Gguf,
  shape: Pick<ModelShape, "layers" | "heads" | "kvHeads" | "headWidth">,
): Pick<ModelShape, "feedForwardUnit" | "kvHeadUnit"> {
  const largest = (name: string) =>
    Math.max(
      ...Array.from({ length: shape.layers }, (_, layer) => {
        const type = gguf.tensors.get(`blk.${layer}.${name}`)?.type ?? "F32";
        return TENSOR_TYPES[type].blockValues;
      }),
    );
  const group = (shape.heads / shape.kvHeads) * shape.headWidth;
  const block = largest("attn_output.weight");
  return {
    feedForwardUnit: largest("ffn_down.weight"),
    kvHeadUnit: block / greatestCommonDivisor(block, group),
  };
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

function weightBytesOf(gguf: Gguf): number {
  let sum = 0;
  for (const tensor of gguf.tensors.values()) sum += tensor.sizeBytes;
  return sum;
}
