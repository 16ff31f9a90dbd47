import { describe, expect, it } from "vitest";
import { modelShapeOf } from "../gguf/model-shape-of.js";
import { readGguf } from "../gguf/read-gguf.js";
import { bytesSource } from "../gguf/sources.js";
import { columnsOf } from "../shards/columns.js";
import { shardsOf, wholeShard } from "../shards/shards-of.js";
import { randomModelBytes, TINY_SHAPE } from "../testing/random-model.js";
import {
  heldSlices,
  rangesOf,
  shardTensorsOf,
  sliceBytes,
  weightBytesOf,
} from "./shard-tensors.js";

async function modelOf(more: Partial<typeof TINY_SHAPE> = {}, type: "F32" | "Q8_0" = "Q8_0") {
  const bytes = randomModelBytes({ shape: { ...TINY_SHAPE, ...more }, type });
  const gguf = await readGguf(bytesSource(bytes));
  return { gguf, shape: modelShapeOf(gguf), bytes };
}

describe("the tensors of a shard", () => {
  it("are all bytes of the matrices exactly once over all members", async () => {
    const { gguf, shape } = await modelOf({ kvHeads: 4 });
    const shards = shardsOf(shape, columnsOf([5, 1, 2]));
    const pieces = shards.flatMap((shard) => heldSlices(shardTensorsOf(gguf, shape, shard)));
    for (const tensor of gguf.tensors.values()) {
      const held = pieces
        .filter(({ name }) => name === tensor.name)
        .reduce((sum, slice) => sum + sliceBytes(slice), 0);
      const copies = tensor.dimensions.length === 1 ? shards.length : 1;
      expect(held).toBe(tensor.name === "token_embd.weight" ? 0 : tensor.sizeBytes * copies);
    }
  });

  it("hold rows of the embedding in memory when the output is tied to it", async () => {
    const { gguf, shape } = await modelOf({ hasTiedOutput: true });
    const tensors = shardTensorsOf(gguf, shape, wholeShard(shape));
    expect(tensors.output?.name).toBe("token_embd.weight");
    expect(weightBytesOf(tensors)).toBe(shape.weightBytes);
  });

  it("lie in ranges of the file that do not touch each other", async () => {
    const { gguf, shape, bytes } = await modelOf({ kvHeads: 4 });
    const [, shard] = shardsOf(shape, columnsOf([1, 1]));
    const ranges = rangesOf(shardTensorsOf(gguf, shape, shard!));
    for (const [index, { from, to }] of ranges.entries()) {
      expect(from).toBeGreaterThan(ranges[index - 1]?.to ?? 0);
      expect(to).toBeGreaterThan(from);
      expect(to).toBeLessThanOrEqual(bytes.length);
    }
    const pulled = ranges.reduce((sum, { from, to }) => sum + to - from, 0);
    expect(pulled).toBeLessThan(bytes.length - gguf.dataOffset);
  });

  it("cannot be cut within a block", async () => {
    const { gguf, shape } = await modelOf();
    const shard = { ...wholeShard(shape), feedForward: { from: 0, to: 48 } };
    expect(() => shardTensorsOf(gguf, shape, shard)).toThrow(
      expect.objectContaining({ code: "MESH_BAD_REQUEST" }),
    );
  });
});
