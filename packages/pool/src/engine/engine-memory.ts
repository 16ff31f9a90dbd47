/**
 * What a shard needs, computed before anything is allocated: by the planner, which asks whether a
 * shard fits on a machine, and by the engine, which refuses with the same numbers. Pure.
 */
import { MeshError } from "@hearthmesh/core";
import type { ModelShape } from "../model/model-shape.js";
import type { Shard } from "../shards/shard.js";
import { CACHE_ROWS_STEP, GRAPH_NODES_KEPT_MAX, READ_BYTES_MAX } from "./limits.js";
import type { EngineOptions } from "./shard-engine.js";

export type EngineSizes = Pick<
  EngineOptions,
  "contextTokens" | "sequencesMax" | "batchRowsMax" | "threads"
>;

export interface EngineMemory {
  readonly weightBytes: number;
  /** Of all sequences together. */
  readonly cacheBytes: number;
  /** Of that, one token of one sequence. */
  readonly cacheBytesPerToken: number;
  readonly scratchBytes: number;
  readonly totalBytes: number;
}

/** A node of a graph: its description, its place in the tables, what the allocator remembers. */
const NODE_BYTES = 640;
/** Rows of queries and of the cache that one thread attends to at a time. */
const ATTENTION_TILE_ROWS = 64;
const F16_BYTES = 2;
const F32_BYTES = 4;

const width = (span: { readonly from: number; readonly to: number }) => span.to - span.from;

/** Rows that the cache of one sequence has: attention reads whole steps. */
export function cacheRowsOf(contextTokens: number): number {
  return Math.ceil(contextTokens / CACHE_ROWS_STEP) * CACHE_ROWS_STEP;
}

/**
 * Memory of one shard: weights, a cache for every sequence, and an upper bound of the scratch
 * memory. `weightBytesOfShard` comes from the file (`weightBytesOf` of its slices) or from
 * `weightBytesEstimate`. The rows of the embedding are read from the file and take none, unless the
 * output is tied to it.
 */
export function memoryOf(
  shape: ModelShape,
  shard: Shard,
  weightBytesOfShard: number,
  sizes: EngineSizes,
): EngineMemory {
  const kvWidth = width(shard.kvHeads) * shape.headWidth;
  const cacheBytesPerToken = shape.layers * 2 * kvWidth * F16_BYTES;
  const cacheRows = cacheRowsOf(sizes.contextTokens);
  const cacheBytes = cacheBytesPerToken * cacheRows * sizes.sequencesMax;
  const scratchBytes = scratchBytesOf(shape, shard, sizes, cacheRows);
  return {
    weightBytes: weightBytesOfShard,
    cacheBytes,
    cacheBytesPerToken,
    scratchBytes,
    totalBytes: weightBytesOfShard + cacheBytes + scratchBytes,
  };
}

function scratchBytesOf(
  shape: ModelShape,
  shard: Shard,
  sizes: EngineSizes,
  cacheRows: number,
): number {
  const rows = sizes.batchRowsMax;
  const kvWidth = width(shard.kvHeads) * shape.headWidth;
  const queryWidth = kvWidth * (shape.heads / shape.kvHeads);
  const columns = width(shard.feedForward);
  const embedding = shape.embeddingWidth;
  // Values of one row that live at a time: of attention, of the feed-forward part.
  const live = 4 * embedding + Math.max(3 * queryWidth + 4 * kvWidth, 3 * columns);
  const values = rows * live * F32_BYTES;
  // The mask, and where rows stand.
  const inputs = 2 * rows * (cacheRows * F16_BYTES + 16);
  const logits = 2 * width(shard.vocabulary) * F32_BYTES;
  // The input of a product in the form in which the weights want it.
  const converted = rows * Math.max(embedding, queryWidth, columns) * F32_BYTES;
  // What crosses between JavaScript and the library.
  const staged = 4 * rows * embedding * F32_BYTES;
  const tile = ATTENTION_TILE_ROWS * (4 * shape.headWidth + 2 * ATTENTION_TILE_ROWS);
  const partials = (queryWidth / shape.headWidth) * (shape.headWidth + 2);
  const perThread = (tile + partials) * F32_BYTES;
  const kept = GRAPH_NODES_KEPT_MAX * NODE_BYTES + 2 * READ_BYTES_MAX + sizes.threads * perThread;
  return values + inputs + logits + converted + staged + kept;
}

/**
 * Bytes of the weights of a shard, from the shape alone: every weight counts as much as the average
 * one of the file. The planner's first guess, before the file is at hand; within a few per cent
 * when most tensors have one type.
 */
export function weightBytesEstimate(shape: ModelShape, shard: Shard): number {
  const { embeddingWidth: embedding, layers } = shape;
  const perKvHead = (2 + 2 * (shape.heads / shape.kvHeads)) * shape.headWidth * embedding;
  const layerOf = (kvHeads: number, columns: number) =>
    kvHeads * perKvHead + columns * 3 * embedding;
  const table = shape.vocabularySize * embedding;
  const whole =
    layers * layerOf(shape.kvHeads, shape.feedForwardWidth) +
    (shape.hasTiedOutput ? table : 2 * table);
  const held =
    layers * layerOf(width(shard.kvHeads), width(shard.feedForward)) +
    width(shard.vocabulary) * embedding;
  const norms = (2 * layers + 1) * embedding * F32_BYTES;
  return Math.ceil(held * (shape.weightBytes / whole)) + norms;
}

/** `MESH_MODEL_MEMORY` with the bytes needed, allowed and missing, when it does not fit. */
export function checkMemory(memory: EngineMemory, memoryBytesMax: number): void {
  const missingBytes = memory.totalBytes - memoryBytesMax;
  if (missingBytes <= 0) return;
  throw new MeshError("MESH_MODEL_MEMORY", {
    message:
      `this shard needs ${memory.totalBytes} bytes (weights ${memory.weightBytes}, cache ` +
      `${memory.cacheBytes}, scratch ${memory.scratchBytes}); ${memoryBytesMax} are allowed, ` +
      `${missingBytes} are missing`,
    details: {
      neededBytes: memory.totalBytes,
      allowedBytes: memoryBytesMax,
      missingBytes,
      weightBytes: memory.weightBytes,
      cacheBytes: memory.cacheBytes,
      scratchBytes: memory.scratchBytes,
    },
  });
}
