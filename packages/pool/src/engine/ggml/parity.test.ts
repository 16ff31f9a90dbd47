import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { silentLogger } from "@hearthmesh/core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { ShapeNumbers } from "../../gguf/check-model-tensors.js";
import type { TensorType } from "../../model/model-shape.js";
import { columnsOf } from "../../shards/columns.js";
import { shardsOf, wholeShard } from "../../shards/shards-of.js";
import {
  engineOptions,
  likeliest,
  logitsOf,
  type ModelFile,
  ModelFiles,
  RingOfEngines,
} from "../../testing/model-files.js";
import { readModel } from "../read-model.js";
import { normalisedError } from "../reference/arithmetic.js";
import { openReferenceEngine } from "../reference/open-reference-engine.js";
import type { EngineOptions, ShardEngine } from "../shard-engine.js";
import { openGgmlEngine } from "./open-ggml-engine.js";

let files: ModelFiles;
const open: ShardEngine[] = [];

beforeAll(() => {
  files = new ModelFiles();
});

afterEach(() => {
  for (const engine of open.splice(0)) engine.close();
});

afterAll(() => files.remove());

async function ggml(options: EngineOptions): Promise<ShardEngine> {
  const engine = await openGgmlEngine(options, { logger: silentLogger, device: "cpu" });
  open.push(engine);
  return engine;
}

async function reference(options: EngineOptions): Promise<ShardEngine> {
  const engine = await openReferenceEngine(options);
  open.push(engine);
  return engine;
}

const TOKENS = Int32Array.of(5, 300, 17, 17, 101, 2, 64);
/** Wide enough for blocks of 256 numbers, also where it is cut. */
const WIDE = { embeddingWidth: 256, headWidth: 128, feedForwardWidth: 768 } as const;
/** What a type loses: the activations are rounded to what fits its blocks. */
const ERROR_MAX: Readonly<Record<TensorType, number>> = {
  F32: 1e-6,
  F16: 1e-5,
  BF16: 1e-4,
  Q4_0: 1e-3,
  Q8_0: 1e-3,
  Q4_K: 1e-3,
  Q5_K: 1e-3,
  Q6_K: 1e-3,
};
const TYPES = Object.keys(ERROR_MAX) as TensorType[];
const isKType = (type: TensorType) => type.endsWith("_K");

async function errorOf(file: ModelFile): Promise<number> {
  const options = engineOptions(file);
  const found = logitsOf(await ggml(options), TOKENS, 4);
  const expected = logitsOf(await reference(options), TOKENS, 4);
  return normalisedError(found, expected);
}

describe("the ggml engine gives the logits of the reference", () => {
  it.each(TYPES)("for %s", async (type) => {
    const file = await files.write(isKType(type) ? WIDE : {}, type);
    expect(await errorOf(file)).toBeLessThan(ERROR_MAX[type]);
  });

  const halves = { style: "halves", dimensions: 16, base: 10_000, scale: 1 } as const;
  const VARIANTS: Readonly<Record<string, Partial<ShapeNumbers>>> = {
    "qwen2 with biases": {
      architecture: "qwen2",
      hasAttentionBias: true,
      rope: { ...halves, hasFactors: false },
    },
    "qwen3 with norms of heads": {
      architecture: "qwen3",
      hasQueryKeyNorm: true,
      rope: { ...halves, base: 1_000_000, hasFactors: false },
    },
    "a tied output": { hasTiedOutput: true },
    "heads wider than the embedding": {
      headWidth: 32,
      rope: { style: "interleaved", dimensions: 32, base: 500_000, scale: 1, hasFactors: false },
    },
    "factors of the frequencies": {
      rope: { style: "interleaved", dimensions: 16, base: 10_000, scale: 1, hasFactors: true },
    },
    "a linear scale of the positions": {
      rope: { style: "interleaved", dimensions: 16, base: 10_000, scale: 4, hasFactors: false },
    },
    "a turn of half of each head": {
      rope: { style: "interleaved", dimensions: 8, base: 10_000, scale: 1, hasFactors: false },
    },
    "one KV head for all": { kvHeads: 1 },
    "a KV head for each": { kvHeads: 4 },
    "odd sizes": {
      embeddingWidth: 36,
      heads: 6,
      kvHeads: 3,
      headWidth: 10,
      feedForwardWidth: 51,
      vocabularySize: 333,
      rope: { style: "interleaved", dimensions: 10, base: 10_000, scale: 1, hasFactors: false },
    },
  };
  it.each(Object.keys(VARIANTS))("for %s", async (name) => {
    expect(await errorOf(await files.write(VARIANTS[name]))).toBeLessThan(ERROR_MAX.F32);
  });

  it("for an output of another type and a number of rows that no kernel likes", async () => {
    const file = await files.write({ ...WIDE, vocabularySize: 331 }, "Q4_0", "Q6_K");
    expect(await errorOf(file)).toBeLessThan(ERROR_MAX.Q6_K);
    const packed = await files.write({ vocabularySize: 331 }, "Q4_0");
    expect(await errorOf(packed)).toBeLessThan(ERROR_MAX.Q4_0);
  });

  it("when the cache is longer than one step", async () => {
    const file = await files.write({ contextTokensMax: 600 });
    const tokens = Int32Array.from({ length: 300 }, (_, index) => (index * 37) % 320);
    const sizes = { contextTokens: 600, batchRowsMax: 256 };
    const fast = await ggml(engineOptions(file, sizes));
    const plain = await reference(engineOptions(file, sizes));
    const found = logitsOf(fast, tokens.subarray(0, 258), 255);
    const expected = logitsOf(plain, tokens.subarray(0, 258), 255);
    expect(normalisedError(found, expected)).toBeLessThan(ERROR_MAX.F32);
  });
});

describe("shards of a ring", () => {
  const CAPACITIES = [[1], [3, 1], [1, 2, 5], [4, 1, 2, 3]];
  const RING = { ...WIDE, heads: 8, kvHeads: 4, headWidth: 64 } as const;

  it.each(["F32", "Q4_0", "Q8_0", "Q4_K", "Q6_K"] as const)(
    "of %s add up to the whole, for one to four members of any capacity",
    async (type) => {
      const file = await files.write(RING, type);
      const whole = logitsOf(await ggml(engineOptions(file)), TOKENS, TOKENS.length);
      for (const capacities of CAPACITIES) {
        const shards = shardsOf(file.shape, columnsOf(capacities));
        const engines = await Promise.all(
          shards.map((shard) => ggml(engineOptions(file, { shard }))),
        );
        const ring = new RingOfEngines(engines);
        ring.forward(TOKENS.subarray(0, 3), 0);
        const found = ring.forward(TOKENS.subarray(3), 3);
        // Another order of sums, and blocks of activations that are rounded by themselves.
        expect(normalisedError(found, whole)).toBeLessThan(ERROR_MAX[type]);
      }
    },
  );

  it("with no KV head, no column or no row of the output give nothing to the sums", async () => {
    const file = await files.write({ kvHeads: 2 });
    const whole = logitsOf(await ggml(engineOptions(file)), TOKENS, TOKENS.length);
    const all = wholeShard(file.shape);
    const none = { from: 0, to: 0 };
    const idle = { ...all, members: 2, kvHeads: none, feedForward: none, vocabulary: none };
    const engines = [
      await ggml(engineOptions(file)),
      await ggml(engineOptions(file, { shard: { ...idle, position: 1 } })),
    ];
    const found = new RingOfEngines(engines).forward(TOKENS, 0);
    expect(normalisedError(found, whole)).toBeLessThan(ERROR_MAX.F32);
    expect(engines[1]?.stats().cacheBytes).toBe(0);
  });
});

describe("a small model that was trained", () => {
  const path = fileURLToPath(
    new URL("../../../../../../shared/models/stories260K.gguf", import.meta.url),
  );
  const PROMPT = [1, 403, 407, 261, 378];
  /** What llama.cpp answers, greedily. */
  const ANSWER = [
    ...[432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426, 338, 401, 396, 267, 337, 410, 408],
    ...[419, 292, 411, 322, 265, 282, 295, 433, 426, 385, 328, 432, 358, 394, 261, 370, 432, 352],
    ...[266, 268, 388, 426, 338, 391, 266, 267, 337, 335, 312, 432, 398, 312, 286, 267, 414, 270],
    ...[333, 415, 426, 13, 438, 310],
  ];
  const title = "answers with the same 60 tokens, alone and by one to four members";
  const name = existsSync(path) ? title : `${title} (stories260K is not on this machine)`;

  it.skipIf(!existsSync(path))(name, { timeout: 120_000 }, async () => {
    const file = { path, shape: (await readModel(path)).shape };
    const sizes = { contextTokens: 128 };
    const alone = await ggml(engineOptions(file, sizes));
    const sequence = alone.openSequence();
    const logits = new Float32Array(file.shape.vocabularySize);
    const answers = [
      greedy((tokens, position) => {
        alone.forward(tokens, { sequence, position, rows: tokens.length }, logits);
        return logits;
      }),
    ];
    for (const capacities of [
      [1, 1],
      [1, 1, 2],
      [1, 1, 1, 1],
    ]) {
      const shards = shardsOf(file.shape, columnsOf(capacities));
      const engines = await Promise.all(
        shards.map((shard) => ggml(engineOptions(file, { ...sizes, shard }))),
      );
      const ring = new RingOfEngines(engines);
      answers.push(greedy((tokens, position) => ring.forward(tokens, position)));
    }
    for (const answer of answers) expect(answer).toEqual(ANSWER);
  });

  function greedy(forward: (tokens: Int32Array, position: number) => Float32Array): number[] {
    const answer: number[] = [];
    let tokens = Int32Array.from(PROMPT);
    let position = 0;
    while (answer.length < ANSWER.length) {
      const next = likeliest(forward(tokens, position));
      position += tokens.length;
      tokens = Int32Array.of(next);
      answer.push(next);
    }
    return answer;
  }
});
