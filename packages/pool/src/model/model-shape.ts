/** What a model looks like, as its GGUF file says and as every other part needs it. */

/** Architectures that the engines know; anything else is refused by name. */
export type Architecture = "llama" | "qwen2" | "qwen3";

/** Names as in GGUF; `Q4_K` covers the S and M mixtures, which differ per tensor. */
export type TensorType = "F32" | "F16" | "BF16" | "Q4_0" | "Q8_0" | "Q4_K" | "Q5_K" | "Q6_K";

/** Numbers of a decoder-only transformer. All counts are of the whole model. */
export interface ModelShape {
  readonly architecture: Architecture;
  /** `general.name`, for people; may be empty. */
  readonly name: string;
  /** Transformer blocks. */
  readonly layers: number;
  /** Width of the residual stream. */
  readonly embeddingWidth: number;
  /** Query heads. */
  readonly heads: number;
  /** Key and value heads; `heads` is a multiple of it. */
  readonly kvHeads: number;
  /** Width of one head: need not be `embeddingWidth / heads`. */
  readonly headWidth: number;
  /** Columns of the feed-forward part. */
  readonly feedForwardWidth: number;
  /** Rows of the embedding and of the output. */
  readonly vocabularySize: number;
  /** Tokens that it was trained for. */
  readonly contextTokensMax: number;
  readonly normEpsilon: number;
  readonly rope: RopeShape;
  /** Whether q, k and v have a bias (qwen2). */
  readonly hasAttentionBias: boolean;
  /** Whether q and k are normed per head (qwen3). */
  readonly hasQueryKeyNorm: boolean;
  /** Whether the output is the embedding, and no tensor of its own. */
  readonly hasTiedOutput: boolean;
  /**
   * Feed-forward columns can only be cut at multiples of this: the block of the type of
   * `ffn_down` (1 for F32, F16 and BF16; 32 for Q4_0 and Q8_0; 256 for K types).
   */
  readonly feedForwardUnit: number;
  /**
   * KV heads can only be cut at multiples of this: the columns of `attn_output` that go with one KV
   * head may be less than a block of its type. `kvHeads` is a multiple of it.
   */
  readonly kvHeadUnit: number;
  /** Bytes of all weights. */
  readonly weightBytes: number;
}

export interface RopeShape {
  /** `interleaved` turns neighbours (llama), `halves` turns i and i + n/2 (qwen). */
  readonly style: "interleaved" | "halves";
  readonly dimensions: number;
  readonly base: number;
  /** Positions are divided by it; 1 without linear scaling. */
  readonly scale: number;
  /** Whether the file has `rope_freqs.weight`: one factor per pair (llama 3.1). */
  readonly hasFactors: boolean;
}
