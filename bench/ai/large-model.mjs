/** Models with random weights in the shapes of real ones: speed does not depend on the values. */
import { closeSync, existsSync, openSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { ggufPieces } from "@hearthmesh/pool";
import { randomModel } from "@hearthmesh/pool/testing";
import { say } from "../../scripts/lib.mjs";
import { cache } from "./paths.mjs";

const TINY_LLAMA = {
  architecture: "llama",
  name: "random weights in TinyLlama's shape",
  layers: 22,
  embeddingWidth: 2048,
  heads: 32,
  kvHeads: 4,
  headWidth: 64,
  feedForwardWidth: 5632,
  vocabularySize: 32_000,
  contextTokensMax: 2048,
  normEpsilon: 1e-5,
  rope: { style: "interleaved", dimensions: 64, base: 10_000, scale: 1, hasFactors: false },
  hasAttentionBias: false,
  hasQueryKeyNorm: false,
  hasTiedOutput: false,
};

/** Layers as wide as those of a model of 7B: an exchange has more to win than in a small one. */
const FOUR_LAYERS_OF_7B = {
  ...TINY_LLAMA,
  name: "random weights, four layers of 7B",
  layers: 4,
  embeddingWidth: 4096,
  kvHeads: 8,
  headWidth: 128,
  feedForwardWidth: 11_008,
  vocabularySize: 8000,
  rope: { ...TINY_LLAMA.rope, dimensions: 128 },
};

/** TinyLlama-1.1B's; 0.69 GB. */
export const largeModel = () => madeOnce("tinyllama-shape-q4_0.gguf", TINY_LLAMA);

/** 0.47 GB. */
export const wideModel = () => madeOnce("four-layers-of-7b-q4_0.gguf", FOUR_LAYERS_OF_7B);

function madeOnce(name, shape) {
  const path = join(cache, name);
  if (existsSync(path)) return path;
  say("Making a model with random weights (once) ...");
  const { metadata, tensors } = randomModel({
    shape,
    type: "Q4_0",
    // As quantisers do it: what stands at both ends is kept better.
    vocabularyType: "Q8_0",
  });
  const file = openSync(`${path}.part`, "w");
  for (const piece of ggufPieces(metadata, tensors)) writeSync(file, piece);
  closeSync(file);
  renameSync(`${path}.part`, path);
  return path;
}
