/** Which bytes of a model's file a shard needs. Pure but for the reader of the header. */
import { MeshError } from "@hearthmesh/core";
import { rangesOf, shardTensorsOf } from "../engine/shard-tensors.js";
import type { Gguf } from "../gguf/gguf.js";
import { modelShapeOf } from "../gguf/model-shape-of.js";
import { readGguf } from "../gguf/read-gguf.js";
import { openFileSource } from "../gguf/sources.js";
import type { ModelShape } from "../model/model-shape.js";
import type { Shard } from "../shards/shard.js";
import { MODEL_RANGE_GAP_BYTES, MODEL_RANGES_MAX } from "./limits.js";
import type { ByteRange } from "./model-library.js";

/**
 * Metadata and table of tensors, then what an engine reads for the shard: rows of q, k, v, gate, up
 * and output as they are cut, tensors that are cut by columns whole, norms and embedding whole. In
 * order, apart from each other, and at most `MODEL_RANGES_MAX`: with more, the smallest gaps are
 * closed.
 */
export function rangesOfShard(gguf: Gguf, shape: ModelShape, shard: Shard): ByteRange[] {
  const header = { from: 0, to: gguf.dataOffset };
  const ranges = [header, ...rangesOf(shardTensorsOf(gguf, shape, shard))];
  return boundedRanges(ranges, MODEL_RANGE_GAP_BYTES, MODEL_RANGES_MAX);
}

/** Sorted and merged, also over gaps below `gapBytes`; at most `most`, by closing small gaps. */
export function boundedRanges(
  ranges: readonly ByteRange[],
  gapBytes: number,
  most: number,
): ByteRange[] {
  let merged = mergedOver(ranges, gapBytes);
  for (let gap = Math.max(1, gapBytes); merged.length > most; gap *= 2) {
    merged = mergedOver(merged, gap * 2);
  }
  return merged;
}

function mergedOver(ranges: readonly ByteRange[], gapBytes: number): ByteRange[] {
  const sorted = ranges.filter(({ from, to }) => to > from).sort((a, b) => a.from - b.from);
  const merged: { from: number; to: number }[] = [];
  for (const { from, to } of sorted) {
    const last = merged.at(-1);
    if (last !== undefined && from - last.to <= gapBytes) last.to = Math.max(last.to, to);
    else merged.push({ from, to });
  }
  return merged;
}

/** Reads the header of a local file in which at least that is present, and computes. */
export async function rangesOfFile(
  path: string,
  model: { readonly name: string; readonly headerBytes: number },
  shard: Shard,
): Promise<ByteRange[]> {
  const file = await openFileSource(path);
  try {
    const gguf = await readGguf(file);
    if (gguf.dataOffset === model.headerBytes)
      return rangesOfShard(gguf, modelShapeOf(gguf), shard);
    const message = `the file of ${model.name} is not the one that its record speaks of`;
    throw new MeshError("MESH_MODEL_DAMAGED", { message });
  } finally {
    await file.close();
  }
}
