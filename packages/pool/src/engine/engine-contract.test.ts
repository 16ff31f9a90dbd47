import { silentLogger } from "@hearthmesh/core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { engineOptions, logitsOf, type ModelFile, ModelFiles } from "../testing/model-files.js";
import { openGgmlEngine } from "./ggml/open-ggml-engine.js";
import { openReferenceEngine } from "./reference/open-reference-engine.js";
import type { EngineOptions, ShardEngine } from "./shard-engine.js";

const ENGINES: Readonly<Record<string, (options: EngineOptions) => Promise<ShardEngine>>> = {
  ggml: (options) => openGgmlEngine(options, { logger: silentLogger, device: "cpu" }),
  reference: openReferenceEngine,
};
const TOKENS = Int32Array.of(9, 8, 7, 6, 5, 4, 3, 2);

describe.each(Object.keys(ENGINES))("the %s engine", (name) => {
  let files: ModelFiles;
  let file: ModelFile;
  const opened: ShardEngine[] = [];

  beforeAll(async () => {
    files = new ModelFiles();
    file = await files.write();
  });
  afterEach(() => {
    for (const engine of opened.splice(0)) engine.close();
  });
  afterAll(() => files.remove());

  async function open(more: Partial<EngineOptions> = {}): Promise<ShardEngine> {
    const engine = await ENGINES[name]!(engineOptions(file, more));
    opened.push(engine);
    return engine;
  }

  /** Goes on with a sequence; logits of the last row. */
  function step(engine: ShardEngine, sequence: number, position: number, tokens: Int32Array) {
    const logits = new Float32Array(file.shape.vocabularySize);
    engine.forward(tokens, { sequence, position, rows: tokens.length }, logits);
    return logits;
  }

  it("gives the same whether rows come together or one by one", async () => {
    const engine = await open();
    const whole = logitsOf(engine, TOKENS, TOKENS.length);
    const single = logitsOf(engine, TOKENS, 1).subarray(-whole.length);
    for (const [index, value] of whole.entries()) expect(single[index]).toBeCloseTo(value, 2);
  });

  it("gives the same after it forgot some tokens and saw them again", async () => {
    const engine = await open();
    const sequence = engine.openSequence();
    step(engine, sequence, 0, TOKENS.subarray(0, 5));
    const before = step(engine, sequence, 5, TOKENS.subarray(5));
    engine.truncate(sequence, 3);
    step(engine, sequence, 3, Int32Array.of(300, 301, 302, 303));
    engine.truncate(sequence, 5);
    engine.truncate(sequence, 3);
    step(engine, sequence, 3, TOKENS.subarray(3, 5));
    expect(step(engine, sequence, 5, TOKENS.subarray(5))).toEqual(before);
  });

  it("keeps sequences apart, also one that takes the place of another", async () => {
    const engine = await open();
    const alone = logitsOf(engine, TOKENS, 4);
    const width = file.shape.vocabularySize;
    const [first, second] = [engine.openSequence(), engine.openSequence()];
    const other = Int32Array.of(100, 101, 102, 103);
    step(engine, first, 0, other);
    expect(step(engine, second, 0, TOKENS.subarray(0, 4))).toEqual(alone.subarray(0, width));
    step(engine, first, 4, Int32Array.of(104));
    expect(step(engine, second, 4, TOKENS.subarray(4, 5))).toEqual(
      alone.subarray(width, 2 * width),
    );
    engine.closeSequence(first);
    const third = engine.openSequence();
    expect(step(engine, third, 0, TOKENS.subarray(0, 4))).toEqual(alone.subarray(0, width));
  });

  it("forgets a number that is none together with its tokens", async () => {
    const engine = await open();
    const expected = logitsOf(engine, TOKENS, 4);
    const sequence = engine.openSequence();
    const rows = 16;
    const x = new Float32Array(rows * file.shape.embeddingWidth).fill(Number.NaN);
    const partial = new Float32Array(x.length);
    for (let layer = 0; layer < file.shape.layers; layer += 1) {
      engine.attention(layer, x, { sequence, position: 0, rows }, partial);
    }
    expect(partial[0]).toBeNaN();
    engine.closeSequence(sequence);
    expect(logitsOf(engine, TOKENS, 4)).toEqual(expected);
  });

  it("has as many sequences as were asked for", async () => {
    const engine = await open();
    const [first] = [engine.openSequence(), engine.openSequence()];
    expect(() => engine.openSequence()).toThrow(expect.objectContaining({ code: "MESH_LIMIT" }));
    engine.closeSequence(first!);
    expect(engine.openSequence()).toBe(first);
  });

  it("refuses calls that no right caller makes, and goes on", async () => {
    const engine = await open();
    const { embeddingWidth: width, layers, vocabularySize } = file.shape;
    const sequence = engine.openSequence();
    const x = new Float32Array(4 * width);
    const logits = new Float32Array(vocabularySize);
    const batch = { sequence, position: 0, rows: 4 };
    const wrong: readonly (() => void)[] = [
      () => engine.attention(layers, x, batch, x),
      () => engine.attention(-1, x, batch, x),
      () => engine.attention(0.5, x, batch, x),
      () => engine.attention(0, x.subarray(1), batch, x),
      () => engine.attention(0, x, batch, x.subarray(1)),
      () => engine.attention(0, x, { ...batch, rows: 0 }, x),
      () => engine.attention(0, x, { ...batch, rows: 17 }, new Float32Array(17 * width)),
      () => engine.attention(0, x, { ...batch, position: 1 }, x),
      () => engine.attention(0, x, { ...batch, position: -1 }, x),
      () => engine.attention(0, x, { ...batch, position: Number.NaN }, x),
      () => engine.attention(0, x, { ...batch, sequence: 1 }, x),
      () => engine.attention(0, x, { ...batch, sequence: -1 }, x),
      () => engine.feedForward(layers, x, 4, x),
      () => engine.feedForward(0, x, 5, x),
      () => engine.feedForward(0, x, 1.5, x),
      () => engine.head(x.subarray(0, width - 1), logits),
      () => engine.head(x, logits.subarray(1)),
      () => engine.embed(Int32Array.of(vocabularySize), x),
      () => engine.embed(Int32Array.of(-1), x),
      () => engine.embed(new Int32Array(5), x),
      () => engine.embed(new Int32Array(0), x),
      () => engine.forward(Int32Array.of(1, 2), batch, logits),
      () => engine.forward(Int32Array.of(1, 2, 3, 4), batch, logits.subarray(1)),
      () => engine.truncate(sequence, 1),
      () => engine.truncate(sequence, -1),
      () => engine.truncate(1, 0),
      () => engine.closeSequence(1),
    ];
    for (const call of wrong) {
      expect(call).toThrow(expect.objectContaining({ code: "MESH_BAD_REQUEST" }));
    }
    const rows = 16;
    const long = new Float32Array(rows * width);
    for (let position = 0; position < 64; position += rows) {
      engine.attention(0, long, { sequence, position, rows }, long);
    }
    const late = { sequence, position: 64, rows: 1 };
    expect(() => engine.attention(0, x, late, x)).toThrow(
      expect.objectContaining({ code: "MESH_CONTEXT_TOO_LONG" }),
    );
    engine.closeSequence(sequence);
    expect(logitsOf(engine, TOKENS, 4).every(Number.isFinite)).toBe(true);
  });

  it("refuses to go forward by itself when it has a part only", async () => {
    const { vocabulary, ...rest } = engineOptions(file).shard;
    const shard = { ...rest, vocabulary: { ...vocabulary, to: 32 } };
    const engine = await open({ shard });
    const batch = { sequence: engine.openSequence(), position: 0, rows: 1 };
    expect(() => engine.forward(Int32Array.of(1), batch, new Float32Array(320))).toThrow(
      expect.objectContaining({ code: "MESH_BAD_REQUEST" }),
    );
  });

  it("refuses options and shards that make no sense", async () => {
    const { shard } = engineOptions(file);
    const wrong: readonly Partial<EngineOptions>[] = [
      { contextTokens: 0 },
      { contextTokens: 2 ** 30 },
      { sequencesMax: 0 },
      { sequencesMax: 65 },
      { batchRowsMax: 257 },
      { batchRowsMax: Number.NaN },
      { threads: 0 },
      { threads: 1.5 },
      { shard: { ...shard, kvHeads: { from: 0, to: 3 } } },
      { shard: { ...shard, feedForward: { from: 2, to: 1 } } },
      { shard: { ...shard, vocabulary: { from: -1, to: 1 } } },
    ];
    for (const more of wrong) {
      await expect(open(more)).rejects.toMatchObject({ code: "MESH_BAD_REQUEST" });
    }
  });

  it("says how much memory is missing", async () => {
    await expect(open({ memoryBytesMax: 1000 })).rejects.toMatchObject({
      code: "MESH_MODEL_MEMORY",
      details: { allowedBytes: 1000 },
    });
    const refused = await open({ memoryBytesMax: 1000 }).catch((error) => error.details);
    expect(refused.missingBytes).toBe(refused.neededBytes - 1000);
    const engine = await open({ memoryBytesMax: refused.neededBytes });
    engine.openSequence();
    engine.openSequence();
    const { weightBytes, cacheBytes, scratchBytes } = engine.stats();
    expect(weightBytes).toBeGreaterThanOrEqual(refused.weightBytes);
    expect(cacheBytes).toBeLessThanOrEqual(refused.cacheBytes);
    expect(scratchBytes).toBeLessThanOrEqual(refused.scratchBytes);
    await expect(open({ memoryBytesMax: refused.neededBytes - 1 })).rejects.toMatchObject({
      details: { missingBytes: 1 },
    });
  });

  it("can be closed twice and does nothing afterwards", async () => {
    const engine = await open();
    engine.close();
    engine.close();
    expect(() => engine.openSequence()).toThrow(
      expect.objectContaining({ code: "MESH_ENGINE_FAILED" }),
    );
  });
});
