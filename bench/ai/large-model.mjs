/** A model of TinyLlama-1.1B's shape with random weights: speed does not depend on the values. */
import { closeSync, existsSync, openSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { ggufPieces } from "@hearthmesh/pool";
import { randomModel } from "@hearthmesh/pool/testing";
import { say } from "../../scripts/lib.mjs";
import { cache } from "./paths.mjs";

const SHAPE = {
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

/** Makes it once; 0.69 GB. */
export function largeModel() {
  const path = join(cache, "tinyllama-shape-q4_0.gguf");
  if (existsSync(path)) return path;
  say("Making a model with random weights (once) ...");
  const { metadata, tensors } = randomModel({
    shape: SHAPE,
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
