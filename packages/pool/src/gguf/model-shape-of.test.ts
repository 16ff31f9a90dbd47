import { describe, expect, it } from "vitest";
import type { ModelShape, TensorType } from "../model/model-shape.js";
import { type RandomModelOptions, randomModel, TINY_SHAPE } from "../testing/index.js";
import type { GgufValue } from "./gguf.js";
import { modelShapeOf } from "./model-shape-of.js";
import { readGguf } from "./read-gguf.js";
import { bytesSource } from "./sources.js";
import { type GgufTensorSource, ggufBytes } from "./write-gguf.js";

interface Changes {
  readonly metadata?: Readonly<Record<string, GgufValue | undefined>>;
  readonly tensors?: (all: readonly GgufTensorSource[]) => readonly GgufTensorSource[];
}

async function shapeOf(options: RandomModelOptions, changes: Changes = {}): Promise<ModelShape> {
  const model = randomModel(options);
  const metadata = new Map(model.metadata);
  for (const [key, value] of Object.entries(changes.metadata ?? {})) {
    if (value === undefined) metadata.delete(key);
    else metadata.set(key, value);
  }
  const tensors = changes.tensors?.(model.tensors) ?? model.tensors;
  return modelShapeOf(await readGguf(bytesSource(ggufBytes(metadata, tensors))));
}

const u32 = (value: number): GgufValue => ({ type: "u32", value });
const text = (value: string): GgufValue => ({ type: "string", value });
const refused = async (changes: Changes, shape = TINY_SHAPE): Promise<string> =>
  shapeOf({ shape }, changes).then(
    () => "none",
    (error: { code: string; message: string }) => `${error.code} ${error.message}`,
  );

describe("the shape of a model", () => {
  it("is the one that it was made with", async () => {
    const shape = await shapeOf({ shape: TINY_SHAPE });
    expect(shape).toMatchObject({ ...TINY_SHAPE, normEpsilon: expect.closeTo(1e-5, 10) });
    expect(shape.feedForwardUnit).toBe(1);
    expect(shape.kvHeadUnit).toBe(1);
  });

  it("knows what qwen2 and qwen3 add", async () => {
    const rope = { ...TINY_SHAPE.rope, style: "halves" as const };
    const qwen2 = { ...TINY_SHAPE, architecture: "qwen2" as const, rope, hasAttentionBias: true };
    expect(await shapeOf({ shape: qwen2 })).toMatchObject({ rope, hasAttentionBias: true });
    const qwen3 = {
      ...TINY_SHAPE,
      architecture: "qwen3" as const,
      rope: { ...rope, dimensions: 32 },
      // Wider heads than the residual has room for, as qwen3 has them.
      headWidth: 32,
      hasQueryKeyNorm: true,
      hasTiedOutput: true,
    };
    const found = await shapeOf({ shape: qwen3 });
    expect(found).toMatchObject({ headWidth: 32, hasQueryKeyNorm: true, hasTiedOutput: true });
  });

  it("says where columns can be cut", async () => {
    const units = async (type: TensorType, headWidth: number) => {
      const rope = { ...TINY_SHAPE.rope, dimensions: headWidth };
      const shape = { ...TINY_SHAPE, embeddingWidth: 256, headWidth, feedForwardWidth: 512, rope };
      const { feedForwardUnit, kvHeadUnit } = await shapeOf({ shape, type, vocabularyType: "F32" });
      return [feedForwardUnit, kvHeadUnit];
    };
    expect(await units("F16", 16)).toEqual([1, 1]);
    // Two query heads of 8 are half a block.
    expect(await units("Q8_0", 8)).toEqual([32, 2]);
    expect(await units("Q4_0", 16)).toEqual([32, 1]);
    expect(await units("Q4_K", 64)).toEqual([256, 2]);
    expect(await units("Q6_K", 128)).toEqual([256, 1]);
  });

  it("reads rope's scale and factors", async () => {
    const rope = { ...TINY_SHAPE.rope, base: 500_000, scale: 4, hasFactors: true };
    expect((await shapeOf({ shape: { ...TINY_SHAPE, rope } })).rope).toEqual(rope);
  });
});

describe("models that are refused", () => {
  it("names what is not supported", async () => {
    const metadata = (key: string, value: GgufValue) => refused({ metadata: { [key]: value } });
    const architecture = await metadata("general.architecture", text("mamba\u001b[2J"));
    expect(architecture).toMatch(/^MESH_MODEL_UNSUPPORTED .*mamba\?\[2J/);
    expect(await metadata("llama.expert_count", u32(8))).toMatch(/UNSUPPORTED .*expert_count is 8/);
    expect(await metadata("llama.rope.scaling.type", text("yarn"))).toMatch(/UNSUPPORTED .*yarn/);
    expect(await metadata("split.count", u32(3))).toMatch(/UNSUPPORTED .*3 files/);
    expect(await metadata("llama.attention.value_length", u32(8))).toMatch(/UNSUPPORTED/);
    const heads: GgufValue = { type: "array", of: "u32", values: [4, 2] };
    expect(await metadata("llama.attention.head_count", heads)).toMatch(/UNSUPPORTED .*layer/);
    const extra = (all: readonly GgufTensorSource[]) => [
      ...all,
      { ...(all[1] as GgufTensorSource), name: "blk.0.attn_sinks.weight" },
    ];
    expect(await refused({ tensors: extra })).toMatch(/UNSUPPORTED .*attn_sinks/);
  });

  it("says what contradicts or is missing", async () => {
    const metadata = (key: string, value: GgufValue | undefined) =>
      refused({ metadata: { [key]: value } });
    expect(await metadata("llama.block_count", u32(3))).toMatch(/DAMAGED .*blk\.2\..* is missing/);
    expect(await metadata("llama.block_count", u32(1))).toMatch(/DAMAGED .*blk\.1\..*1 layers/);
    expect(await metadata("llama.block_count", u32(4_000_000_000))).toMatch(/DAMAGED/);
    expect(await metadata("llama.feed_forward_length", u32(64))).toMatch(/DAMAGED .*64 x 96/);
    expect(await metadata("llama.attention.head_count_kv", u32(3))).toMatch(/DAMAGED/);
    expect(await metadata("llama.attention.head_count", u32(0))).toMatch(/DAMAGED/);
    for (const value of [1.5, 0, 2 ** 40]) {
      const perLayer: GgufValue = { type: "array", of: "f64", values: [value, value] };
      for (const key of ["head_count", "head_count_kv"]) {
        expect(await metadata(`llama.attention.${key}`, perLayer)).toMatch(
          /DAMAGED .*whole number/,
        );
      }
    }
    expect(await metadata("llama.rope.freq_base", text("fast"))).toMatch(/DAMAGED .*number/);
    expect(await metadata("llama.embedding_length", undefined)).toMatch(/DAMAGED .*missing/);
    const tokens: GgufValue = { type: "array", of: "string", values: ["a"] };
    expect(await metadata("tokenizer.ggml.tokens", tokens)).toMatch(/DAMAGED .*1 tokens/);
    const without = (all: readonly GgufTensorSource[]) =>
      all.filter(({ name }) => name !== "blk.1.ffn_up.weight");
    expect(await refused({ tensors: without })).toMatch(/DAMAGED .*blk.1.ffn_up.weight is missing/);
  });

  it("refuses a file without tensors", async () => {
    expect(await refused({ tensors: () => [] })).toMatch(/DAMAGED .*token_embd/);
  });
});
