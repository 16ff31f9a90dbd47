/** Shapes of models that people run, for tests of what is computed from a shape. */
import type { ModelShape } from "../model/model-shape.js";

type Numbers = readonly [
  layers: number,
  embeddingWidth: number,
  heads: number,
  kvHeads: number,
  headWidth: number,
  feedForwardWidth: number,
  vocabularySize: number,
];

function shape(
  architecture: ModelShape["architecture"],
  name: string,
  numbers: Numbers,
  feedForwardUnit: number,
): ModelShape {
  const [layers, embeddingWidth, heads, kvHeads, headWidth, feedForwardWidth, vocabularySize] =
    numbers;
  const perLayer = embeddingWidth * (2 * heads + 2 * kvHeads) * headWidth;
  const weights =
    layers * (perLayer + 3 * embeddingWidth * feedForwardWidth) +
    2 * vocabularySize * embeddingWidth;
  return {
    architecture,
    name,
    layers,
    embeddingWidth,
    heads,
    kvHeads,
    headWidth,
    feedForwardWidth,
    vocabularySize,
    contextTokensMax: 2048,
    normEpsilon: 1e-5,
    rope: {
      style: architecture === "llama" ? "interleaved" : "halves",
      dimensions: headWidth,
      base: 10_000,
      scale: 1,
      hasFactors: false,
    },
    hasAttentionBias: architecture === "qwen2",
    hasQueryKeyNorm: architecture === "qwen3",
    hasTiedOutput: false,
    feedForwardUnit,
    kvHeadUnit: smallestUnit((heads / kvHeads) * headWidth, kvHeads, feedForwardUnit),
    weightBytes: Math.ceil((weights * 18) / 32),
  };
}

/** Fewest KV heads that divide all, whose columns of the attention's output are whole blocks. */
function smallestUnit(columnsPerHead: number, kvHeads: number, block: number): number {
  let unit = 1;
  while (unit < kvHeads && (kvHeads % unit !== 0 || (unit * columnsPerHead) % block !== 0)) unit++;
  return unit;
}

export const MODEL_SHAPES = {
  stories260K: shape("llama", "stories260K", [5, 64, 8, 4, 8, 172, 512], 1),
  smolLm2Of135M: shape("llama", "SmolLM2-135M", [30, 576, 9, 3, 64, 1536, 49_152], 32),
  tinyLlama: shape("llama", "TinyLlama-1.1B", [22, 2048, 32, 4, 64, 5632, 32_000], 32),
  llama3Of8B: shape("llama", "Llama-3-8B", [32, 4096, 32, 8, 128, 14_336, 128_256], 256),
  llama3Of70B: shape("llama", "Llama-3-70B", [80, 8192, 64, 8, 128, 28_672, 128_256], 256),
  qwen25Of05B: shape("qwen2", "Qwen2.5-0.5B", [24, 896, 14, 2, 64, 4864, 151_936], 256),
  qwen25Of7B: shape("qwen2", "Qwen2.5-7B", [28, 3584, 28, 4, 128, 18_944, 152_064], 256),
  qwen3Of06B: shape("qwen3", "Qwen3-0.6B", [28, 1024, 16, 8, 128, 3072, 151_936], 256),
  qwen3Of8B: shape("qwen3", "Qwen3-8B", [36, 4096, 32, 8, 128, 12_288, 151_936], 256),
} as const satisfies Record<string, ModelShape>;
