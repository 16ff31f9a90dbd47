/**
 * What computes: one shard of one model on one machine. An engine knows no network; the ring
 * (`../ring`) adds up what the shards of all members give. Calls block while they compute, so an
 * engine lives in a process of its own.
 *
 * Rows of activations are `embeddingWidth` floats each, one row after the other. Errors are
 * `MeshError`s: `MESH_MODEL_UNSUPPORTED`, `MESH_MODEL_DAMAGED`, `MESH_MODEL_MEMORY` (says how many
 * bytes are missing), `MESH_ENGINE_MISSING`, `MESH_ENGINE_FAILED`. A call that no right caller
 * makes is `MESH_BAD_REQUEST` and changes nothing; rows beyond the cache are
 * `MESH_CONTEXT_TOO_LONG`. Buffers may be longer than what is read or written of them. NaN and
 * infinity go through.
 */
import type { ModelShape } from "../model/model-shape.js";
import type { Shard } from "../shards/shard.js";

/** Rows of one sequence that are computed together: many in prefill, one in decoding. */
export interface EngineBatch {
  /** A sequence that was opened. */
  readonly sequence: number;
  /** Tokens of the sequence that came before these rows. */
  readonly position: number;
  readonly rows: number;
}

export interface EngineStats {
  /** Weights, cache and scratch memory, as allocated. */
  readonly weightBytes: number;
  readonly cacheBytes: number;
  readonly scratchBytes: number;
  /** Such as `ggml CPU (AMX)` or `reference`. */
  readonly description: string;
  readonly threads: number;
}

export interface ShardEngine {
  readonly shape: ModelShape;
  readonly shard: Shard;

  /** A sequence with an empty cache of `contextTokens`. `MESH_LIMIT` when there is no room. */
  openSequence(): number;
  closeSequence(sequence: number): void;
  /** Forgets all tokens from `length` on, for good: cancel, replay, later speculation. */
  truncate(sequence: number, length: number): void;

  /** Rows of the embedding into `out`. */
  embed(tokens: Int32Array, out: Float32Array): void;
  /**
   * This shard's part of the attention of a layer for `x` (before the norm), which is to be added
   * up over all shards and then to `x`. Appends the rows to the cache of the sequence.
   */
  attention(layer: number, x: Float32Array, batch: EngineBatch, partial: Float32Array): void;
  /** The same for the feed-forward part. */
  feedForward(layer: number, x: Float32Array, rows: number, partial: Float32Array): void;
  /** Logits of this shard's rows of the vocabulary for one row. */
  head(x: Float32Array, logits: Float32Array): void;
  /**
   * All of the above in one go, for a shard that is the whole model: the logits of the last row.
   * It may be faster, and gives the same.
   */
  forward(tokens: Int32Array, batch: EngineBatch, logits: Float32Array): void;

  stats(): EngineStats;
  /** Frees everything; no call may follow. */
  close(): void;
}

export interface EngineOptions {
  /** A local file in which at least the bytes of this shard are present. */
  readonly modelPath: string;
  readonly shard: Shard;
  /** Tokens that the cache of a sequence holds. */
  readonly contextTokens: number;
  readonly sequencesMax: number;
  /** Rows of the largest batch. */
  readonly batchRowsMax: number;
  readonly threads: number;
  /** Weights, cache and scratch together; `MESH_MODEL_MEMORY` when it does not fit. */
  readonly memoryBytesMax: number;
}
