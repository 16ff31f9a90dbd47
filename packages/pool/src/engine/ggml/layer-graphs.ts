/**
 * The parts of a transformer as nodes of a graph. Shapes are written as ggml has them, the numbers
 * that lie together first: activations are `[embeddingWidth, rows]`.
 * Source: the llama, qwen2 and qwen3 models as llama.cpp builds them.
 */
import type { ModelShape } from "../../model/model-shape.js";
import { type Pointer, PRECISION_F32, ROPE_MODES } from "./binding-table.js";
import type { LayerCache } from "./key-value-cache.js";
import type { GgmlLibrary } from "./library.js";
import { need } from "./native.js";
import type { RowViews } from "./row-inputs.js";
import type { NativeAttention, NativeLayer, NativeOutput } from "./weights.js";

const F16_BYTES = 2;
const F32_BYTES = 4;
/** Parameters of YaRN, which is not supported: without an extension factor they do nothing. */
const YARN_OFF = [0, 1, 32, 1] as const;

/** Upper bounds of what the functions below add: nodes, and inputs that are no nodes. */
export const ATTENTION_NODES_MAX = 40;
export const FEED_FORWARD_NODES_MAX = 16;
export const HEAD_NODES_MAX = 16;

/** Heads of a shard, and the width of its keys. */
export interface HeadCounts {
  readonly heads: number;
  readonly kvHeads: number;
}

export interface AttentionRows extends RowViews {
  readonly rows: number;
  /** Rows of the cache that are looked at; the mask hides some of them. */
  readonly seenRows: number;
}

export class LayerGraphs {
  readonly #base: GgmlLibrary["base"];
  readonly #shape: ModelShape;
  readonly #counts: HeadCounts;
  readonly #ropeFactors: Pointer | null;

  constructor(
    library: GgmlLibrary,
    shape: ModelShape,
    counts: HeadCounts,
    ropeFactors: Pointer | null,
  ) {
    this.#base = library.base;
    this.#shape = shape;
    this.#counts = counts;
    this.#ropeFactors = ropeFactors;
  }

  /** Part of the attention of one layer; writes the rows into the cache first. */
  attention(
    context: Pointer,
    graph: Pointer,
    x: Pointer,
    norm: Pointer,
    weights: NativeAttention,
    cache: LayerCache,
    rows: AttentionRows,
  ): Pointer {
    const base = this.#base;
    const { headWidth } = this.#shape;
    const { heads, kvHeads } = this.#counts;
    const kvWidth = kvHeads * headWidth;
    const { biases, norms } = weights;
    const normed = this.#norm(context, x, norm);
    const project = (matrix: Pointer, bias: Pointer | undefined) => {
      const product = need(base.ggml_mul_mat(context, matrix, normed), "a projection");
      return bias === undefined ? product : need(base.ggml_add(context, product, bias), "a bias");
    };
    const turn = (projected: Pointer, count: number, headNorm: Pointer | undefined) =>
      this.#rope(context, this.#heads(context, projected, count, rows.rows, headNorm), rows);
    const query = turn(project(weights.query, biases?.query), heads, norms?.query);
    const key = turn(project(weights.key, biases?.key), kvHeads, norms?.key);
    const value = project(weights.value, biases?.value);
    const flatKey = need(base.ggml_reshape_2d(context, key, kvWidth, rows.rows), "keys");
    const store = (target: Pointer, source: Pointer) => {
      const stored = base.ggml_set_rows(context, target, source, rows.indexes);
      base.ggml_build_forward_expand(graph, need(stored, "rows of the cache"));
    };
    store(cache.keys, flatKey);
    store(cache.values, value);
    const attended = this.#attend(context, query, cache, rows);
    const flat = base.ggml_reshape_2d(context, attended, heads * headWidth, rows.rows);
    return need(base.ggml_mul_mat(context, weights.output, need(flat, "heads")), "attention");
  }

  /** Part of the feed-forward of one layer. */
  feedForward(
    context: Pointer,
    x: Pointer,
    norm: Pointer,
    weights: NonNullable<NativeLayer["feedForward"]>,
  ): Pointer {
    const base = this.#base;
    const normed = this.#norm(context, x, norm);
    const gate = need(base.ggml_mul_mat(context, weights.gate, normed), "a gate");
    const up = need(base.ggml_mul_mat(context, weights.up, normed), "columns");
    const gated = need(base.ggml_swiglu_split(context, gate, up), "gated columns");
    return need(base.ggml_mul_mat(context, weights.down, gated), "feed-forward");
  }

  /** Logits of one row, piece by piece. */
  head(context: Pointer, x: Pointer, norm: Pointer, output: readonly NativeOutput[]): Pointer[] {
    const normed = this.#norm(context, x, norm);
    return output.map(({ weights }) =>
      need(this.#base.ggml_mul_mat(context, weights, normed), "logits"),
    );
  }

  /** A row of a matrix of activations. */
  row(context: Pointer, x: Pointer, row: number): Pointer {
    const { embeddingWidth } = this.#shape;
    const rowBytes = embeddingWidth * F32_BYTES;
    const view = this.#base.ggml_view_2d(context, x, embeddingWidth, 1, rowBytes, row * rowBytes);
    return need(view, "a row");
  }

  add(context: Pointer, x: Pointer, partial: Pointer): Pointer {
    return need(this.#base.ggml_add(context, x, partial), "a sum");
  }

  #norm(context: Pointer, x: Pointer, weights: Pointer): Pointer {
    const normed = this.#base.ggml_rms_norm(context, x, this.#shape.normEpsilon);
    return need(this.#base.ggml_mul(context, need(normed, "a norm"), weights), "a norm");
  }

  /** `[count * headWidth, rows]` as `[headWidth, count, rows]`, each head normed where asked. */
  #heads(
    context: Pointer,
    projected: Pointer,
    count: number,
    rows: number,
    headNorm: Pointer | undefined,
  ): Pointer {
    const { headWidth } = this.#shape;
    const heads = this.#base.ggml_reshape_3d(context, projected, headWidth, count, rows);
    const split = need(heads, "heads");
    return headNorm === undefined ? split : this.#norm(context, split, headNorm);
  }

  #rope(context: Pointer, heads: Pointer, { positions }: RowViews): Pointer {
    const { rope, contextTokensMax } = this.#shape;
    const turned = this.#base.ggml_rope_ext(
      ...([context, heads, positions, this.#ropeFactors, rope.dimensions] as const),
      ...([ROPE_MODES[rope.style], contextTokensMax, rope.base, 1 / rope.scale] as const),
      ...YARN_OFF,
    );
    return need(turned, "turned heads");
  }

  #attend(
    context: Pointer,
    query: Pointer,
    { keys, values }: LayerCache,
    { mask, seenRows }: AttentionRows,
  ): Pointer {
    const base = this.#base;
    const { headWidth } = this.#shape;
    const { kvHeads } = this.#counts;
    const headBytes = headWidth * F16_BYTES;
    // [headWidth, seenRows, kvHeads]
    const seen = (cache: Pointer) =>
      base.ggml_view_3d(
        ...([context, cache, headWidth, seenRows, kvHeads] as const),
        ...([kvHeads * headBytes, headBytes, 0] as const),
      );
    // [headWidth, rows, heads]
    const perHead = base.ggml_permute(context, query, 0, 2, 1, 3);
    const scale = 1 / Math.sqrt(headWidth);
    const attended = need(
      base.ggml_flash_attn_ext(
        ...([context, perHead, seen(keys), seen(values), mask, scale, 0, 0] as const),
      ),
      "attention",
    );
    base.ggml_flash_attn_ext_set_prec(attended, PRECISION_F32);
    return attended;
  }
}
