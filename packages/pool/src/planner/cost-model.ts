/**
 * How fast a placement will decode, from measured numbers (alpha-beta model; Hockney 1994).
 *
 * Decoding one token reads every weight of a shard once, so a member needs `bytes / bandwidth`; in
 * a ring all wait for the slowest one, and `2 * layers + 2` times for the line: after the attention
 * and the feed-forward part of every layer, before the first of them for the leader's step, and
 * after the last one for the followers' results. An exchange is one step: everyone sends its
 * partial sum to everyone, and needs half a round trip, the time of its bytes on its own line, and
 * what a member computes for it, of which a part grows with the values of all members.
 *
 * Reading the cache of keys and values is left out: it is small against the weights until contexts
 * are long, and it is shared in the same way.
 */
import type { NodeId } from "@hearthmesh/core";
import { weightBytesEstimate } from "../engine/engine-memory.js";
import type { ModelShape } from "../model/model-shape.js";
import { valueBytesOf } from "../ring/wire-format.js";
import type { Shard } from "../shards/shard.js";
import {
  EXCHANGE_OVERHEAD_MS,
  EXCHANGE_VALUE_MS,
  LINK_BYTES_PER_SECOND_DEFAULT,
} from "./limits.js";
import type { PlannerLink } from "./planner-input.js";

/** Exchanges of one token; its step and its results wait for the line once each, as one does. */
export function exchangesPerToken(shape: ModelShape): number {
  return 2 * shape.layers + 2;
}

/** Milliseconds that a member computes for one token. */
export function computeMsPerToken(
  shape: ModelShape,
  shard: Shard,
  bandwidthBytesPerSecond: number,
): number {
  return (weightBytesEstimate(shape, shard) / bandwidthBytesPerSecond) * 1000;
}

/** What is known of the worst way within a ring. */
export interface RingWay {
  readonly roundTripMs: number;
  readonly bytesPerSecond: number;
}

/** Milliseconds of one exchange between `members` members; 0 for one alone. */
export function exchangeMs(shape: ModelShape, members: number, way: RingWay): number {
  if (members < 2) return 0;
  const { embeddingWidth } = shape;
  const sentBytes = (members - 1) * embeddingWidth * valueBytesOf(embeddingWidth);
  const lineMs = way.roundTripMs / 2 + (sentBytes / way.bytesPerSecond) * 1000;
  return lineMs + EXCHANGE_OVERHEAD_MS + members * embeddingWidth * EXCHANGE_VALUE_MS;
}

/** Tokens per second when the slowest member computes `computeMs`. */
export function tokensPerSecond(
  shape: ModelShape,
  computeMs: number,
  exchangeMsEach: number,
): number {
  return 1000 / (computeMs + exchangesPerToken(shape) * exchangeMsEach);
}

/**
 * The round trip at which a ring decodes no faster than one member alone that needs `aloneMs` per
 * token; negative when the ring is slower on any link.
 */
export function breakEvenRoundTripMs(
  shape: ModelShape,
  aloneMs: number,
  ringComputeMs: number,
  members: number,
  bytesPerSecond: number,
): number {
  const spareMs = (aloneMs - ringComputeMs) / exchangesPerToken(shape);
  const still = exchangeMs(shape, members, { roundTripMs: 0, bytesPerSecond });
  return 2 * (spareMs - still);
}

/** Why a set of members cannot be a ring, in words; undefined when it can. */
export type WayOrReason = { readonly way: RingWay } | { readonly reason: string };

/** The worst link within a set: the ring waits for it in every exchange. */
export function wayWithin(
  nodeIds: readonly NodeId[],
  links: readonly PlannerLink[],
  nameOf: (nodeId: NodeId) => string,
): WayOrReason {
  let roundTripMs = 0;
  let bytesPerSecond = Number.POSITIVE_INFINITY;
  for (const [index, a] of nodeIds.entries()) {
    for (const b of nodeIds.slice(index + 1)) {
      const between = `between ${nameOf(a)} and ${nameOf(b)}`;
      const link = links.find(
        (one) => (one.a === a && one.b === b) || (one.a === b && one.b === a),
      );
      if (link?.relayed === true) return { reason: `${between} there is only a relay` };
      if (link?.roundTripMs === undefined) return { reason: `the delay ${between} is not known` };
      roundTripMs = Math.max(roundTripMs, link.roundTripMs);
      bytesPerSecond = Math.min(
        bytesPerSecond,
        link.bytesPerSecond ?? LINK_BYTES_PER_SECOND_DEFAULT,
      );
    }
  }
  return { way: { roundTripMs, bytesPerSecond } };
}
