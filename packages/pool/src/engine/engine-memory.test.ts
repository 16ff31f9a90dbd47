import { describe, expect, it } from "vitest";
import { columnsOf } from "../shards/columns.js";
import { shardsOf, wholeShard } from "../shards/shards-of.js";
import { MODEL_SHAPES } from "../testing/model-shapes.js";
import { memoryOf, weightBytesEstimate } from "./engine-memory.js";

const SIZES = { contextTokens: 2048, sequencesMax: 2, batchRowsMax: 256, threads: 4 };

describe("what a shard needs", () => {
  it("is 131,072 bytes of cache per token for Llama 3 of 8B", () => {
    const shape = MODEL_SHAPES.llama3Of8B;
    const memory = memoryOf(shape, wholeShard(shape), 5e9, SIZES);
    expect(memory.cacheBytesPerToken).toBe(131_072);
    expect(memory.cacheBytes).toBe(131_072 * 2048 * 2);
    const { weightBytes, cacheBytes, scratchBytes } = memory;
    expect(memory.totalBytes).toBe(weightBytes + cacheBytes + scratchBytes);
  });

  it.each(Object.entries(MODEL_SHAPES))("of %s adds up over the members", (_name, shape) => {
    const shards = shardsOf(shape, columnsOf([4, 2, 1]));
    const whole = weightBytesEstimate(shape, wholeShard(shape));
    const parts = shards.map((shard) => weightBytesEstimate(shape, shard));
    const sum = parts.reduce((total, bytes) => total + bytes, 0);
    // Norms are on every member.
    expect(sum).toBeGreaterThanOrEqual(whole);
    expect(sum).toBeLessThan(whole * 1.05);
    expect(whole).toBeLessThanOrEqual(shape.weightBytes * 1.02);
    const cache = shards.map((shard) => memoryOf(shape, shard, 0, SIZES).cacheBytes);
    expect(cache.reduce((total, bytes) => total + bytes, 0)).toBe(
      memoryOf(shape, wholeShard(shape), 0, SIZES).cacheBytes,
    );
  });
});
