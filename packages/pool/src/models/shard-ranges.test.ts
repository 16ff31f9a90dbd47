/** That a shard needs no byte outside of its ranges is shown by taking the others away. */
import { readFileSync, writeFileSync } from "node:fs";
import { silentLogger } from "@hearthmesh/core";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { openGgmlEngine } from "../engine/ggml/open-ggml-engine.js";
import { readModel } from "../engine/read-model.js";
import { openReferenceEngine } from "../engine/reference/open-reference-engine.js";
import type { EngineOptions } from "../engine/shard-engine.js";
import { shardTensorsOf } from "../engine/shard-tensors.js";
import { columnsOf } from "../shards/columns.js";
import type { Shard } from "../shards/shard.js";
import { shardsOf } from "../shards/shards-of.js";
import { engineOptions, ModelFiles } from "../testing/model-files.js";
import type { ByteRange } from "./model-library.js";
import { boundedRanges, rangesOfFile, rangesOfShard } from "./shard-ranges.js";

const files = new ModelFiles();
afterAll(() => files.remove());

const range = fc
  .tuple(fc.nat(1000), fc.nat(50))
  .map(([from, length]) => ({ from, to: from + length }));

describe("ranges", () => {
  it("are in order and apart, cover what was asked for, and keep to their number", () => {
    fc.assert(
      fc.property(
        fc.array(range, { maxLength: 40 }),
        fc.nat(20),
        fc.integer({ min: 1, max: 9 }),
        (wanted, gap, most) => {
          const bounded = boundedRanges(wanted, gap, most);
          expect(bounded.length).toBeLessThanOrEqual(most);
          for (const [index, { from, to }] of bounded.entries()) {
            expect(to).toBeGreaterThan(from);
            const before = bounded[index - 1];
            if (before !== undefined) expect(from).toBeGreaterThan(before.to + gap);
          }
          const has = (at: number) => bounded.some(({ from, to }) => at >= from && at < to);
          for (const { from, to } of wanted) {
            for (let at = from; at < to; at++) expect(has(at)).toBe(true);
          }
        },
      ),
    );
  });
});

describe.each(["reference", "ggml"])("the %s engine", (name) => {
  const open = (options: EngineOptions) =>
    name === "ggml"
      ? openGgmlEngine(options, { logger: silentLogger, device: "cpu" })
      : openReferenceEngine(options);

  /** All that a shard computes from its weights, in one list of numbers. */
  async function computed(path: string, shard: Shard, file: { shape: EngineShape }) {
    const engine = await open({ ...engineOptions({ path, shape: file.shape }), shard });
    try {
      const { embeddingWidth: width, layers } = file.shape;
      const tokens = Int32Array.of(5, 319, 0);
      const x = new Float32Array(tokens.length * width);
      engine.embed(tokens, x);
      const sequence = engine.openSequence();
      const all = [...x];
      const partial = new Float32Array(x.length);
      for (let layer = 0; layer < layers; layer++) {
        engine.attention(layer, x, { sequence, position: 0, rows: tokens.length }, partial);
        all.push(...partial);
        engine.feedForward(layer, x, tokens.length, partial);
        all.push(...partial);
      }
      const logits = new Float32Array(shard.vocabulary.to - shard.vocabulary.from);
      engine.head(x.subarray(0, width), logits);
      return [...all, ...logits];
    } finally {
      engine.close();
    }
  }
  type EngineShape = Awaited<ReturnType<ModelFiles["write"]>>["shape"];

  it.each([
    ["F32", {}],
    ["Q8_0", { hasTiedOutput: true, headWidth: 32, embeddingWidth: 128 }],
    ["Q4_0", { architecture: "qwen3", hasQueryKeyNorm: true, headWidth: 32 }],
    ["F16", { architecture: "qwen2", hasAttentionBias: true }],
  ] as const)("reads nothing else of a %s model", async (type, shape) => {
    const numbers = shape as Parameters<ModelFiles["write"]>[0];
    const file = await files.write({ feedForwardWidth: 128, ...numbers }, type);
    const { gguf } = await readModel(file.path);
    for (const weights of [[1], [1, 1], [3, 1], [1, 2, 1]]) {
      for (const shard of shardsOf(file.shape, columnsOf(weights))) {
        const ranges = rangesOfShard(gguf, file.shape, shard);
        const holed = `${file.path}.${shard.position}`;
        writeFileSync(holed, withHoles(readFileSync(file.path), ranges));
        expect(await computed(holed, shard, file)).toEqual(await computed(file.path, shard, file));
        expect(
          await rangesOfFile(holed, { name: "x", headerBytes: gguf.dataOffset }, shard),
        ).toEqual(ranges);
      }
    }
  });
});

it("says when a file is not the one of the record", async () => {
  const file = await files.write();
  const { gguf } = await readModel(file.path);
  const [shard] = shardsOf(file.shape, columnsOf([1]));
  if (shard === undefined) throw new Error("no shard");
  expect(shardTensorsOf(gguf, file.shape, shard)).toBeDefined();
  const wrong = { name: "x", headerBytes: gguf.dataOffset + 32 };
  await expect(rangesOfFile(file.path, wrong, shard)).rejects.toEqual(
    expect.objectContaining({ code: "MESH_MODEL_DAMAGED" }),
  );
});

/** Everything outside of the ranges becomes what makes numbers huge or no numbers. */
function withHoles(bytes: Buffer, ranges: readonly ByteRange[]): Buffer {
  const holed = Buffer.alloc(bytes.length, 0xff);
  for (const { from, to } of ranges) bytes.copy(holed, from, from, to);
  return holed;
}
