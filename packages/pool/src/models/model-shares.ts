/** What equal shares of a model need, for one machine, two, and so on. Pure. */
import { type EngineSizes, memoryOf, weightBytesEstimate } from "../engine/engine-memory.js";
import type { ModelShape } from "../model/model-shape.js";
import { columnsOf } from "../shards/columns.js";
import { shardsOf } from "../shards/shards-of.js";
import { MODEL_SHARES_MAX } from "./limits.js";

export interface EqualShare {
  readonly members: number;
  /** Weights, cache and scratch of the largest share. */
  readonly memoryBytesPerMember: number;
}

/** How many machines there can be before one has no part in the attention. */
export function membersMaxOf(shape: ModelShape): number {
  return shape.kvHeads / shape.kvHeadUnit;
}

export function equalShares(shape: ModelShape, wanted: EngineSizes): EqualShare[] {
  const contextTokens = Math.min(wanted.contextTokens, shape.contextTokensMax);
  const sizes = { ...wanted, contextTokens };
  const most = Math.min(membersMaxOf(shape), MODEL_SHARES_MAX);
  return Array.from({ length: most }, (_, index) => {
    const columns = columnsOf(Array.from({ length: index + 1 }, () => 1));
    const bytes = shardsOf(shape, columns).map((shard) => {
      const weights = weightBytesEstimate(shape, shard);
      return memoryOf(shape, shard, weights, sizes).totalBytes;
    });
    return { members: index + 1, memoryBytesPerMember: Math.max(...bytes) };
  });
}
