/**
 * From virtual columns to the parts of a real model.
 *
 * Each of the three parts is shared by itself, by the widths of the column spans: both phases of a
 * layer end with an exchange that waits for the slowest member, so a member that has few heads
 * gains nothing from more feed-forward columns.
 *
 * A model with fewer KV heads (or units of them) than members gives none to the smallest ones.
 * They still hold feed-forward columns and rows of the output, which are most of the weights, and
 * give nothing to the attention sums: nobody waits for them there. `idlePositions` names those that
 * would hold neither heads nor feed-forward columns; a plan leaves them out.
 */
import { MeshError } from "@hearthmesh/core";
import type { ModelShape } from "../model/model-shape.js";
import { apportion, spansOf } from "./apportion.js";
import { RING_COLUMNS, type Shard, type Span } from "./shard.js";

/**
 * Rows of the output are cut at multiples of it, since kernels for packed weights work on so many
 * rows at once; the last piece has what is left.
 */
export const VOCABULARY_UNIT_ROWS = 32;

/** One shard per span, in its order. `MESH_BAD_REQUEST` when the spans do not cover the ring. */
export function shardsOf(shape: ModelShape, columns: readonly Span[]): Shard[] {
  checkCover(columns);
  const widths = columns.map(({ from, to }) => to - from);
  const cut = (width: number, unit: number): Span[] =>
    spansOf(apportion(Math.ceil(width / unit), widths), unit, width);
  const kvHeads = cut(shape.kvHeads, shape.kvHeadUnit);
  const feedForward = cut(shape.feedForwardWidth, shape.feedForwardUnit);
  const vocabulary = cut(shape.vocabularySize, VOCABULARY_UNIT_ROWS);
  return columns.map((span, position) => ({
    position,
    members: columns.length,
    columns: span,
    kvHeads: kvHeads[position] ?? EMPTY,
    feedForward: feedForward[position] ?? EMPTY,
    vocabulary: vocabulary[position] ?? EMPTY,
  }));
}

/** The whole model on one machine. */
export function wholeShard(shape: ModelShape): Shard {
  return {
    position: 0,
    members: 1,
    columns: { from: 0, to: RING_COLUMNS },
    kvHeads: { from: 0, to: shape.kvHeads },
    feedForward: { from: 0, to: shape.feedForwardWidth },
    vocabulary: { from: 0, to: shape.vocabularySize },
  };
}

/** Positions that hold neither heads nor feed-forward columns: they would only wait. */
export function idlePositions(shards: readonly Shard[]): number[] {
  return shards
    .filter(({ kvHeads, feedForward }) => isEmpty(kvHeads) && isEmpty(feedForward))
    .map(({ position }) => position);
}

export function isEmpty(span: Span): boolean {
  return span.to <= span.from;
}

const EMPTY: Span = { from: 0, to: 0 };

function checkCover(columns: readonly Span[]): void {
  let from = 0;
  for (const span of columns) {
    if (span.from !== from || span.to < from) throw notCovering();
    from = span.to;
  }
  if (from !== RING_COLUMNS) throw notCovering();
}

function notCovering(): MeshError {
  return new MeshError("MESH_BAD_REQUEST", {
    message: `the spans do not cover the ${RING_COLUMNS} columns exactly once, in order`,
    hint: "Take the spans of all members of the plan, in its order, from `columnsOf`.",
  });
}
