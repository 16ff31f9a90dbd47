/**
 * What would be lost with a node: looked up at the nodes themselves, not in the layout, because
 * this is asked when the two may differ. Every chunk that a file refers to is compared with the
 * lists of all nodes that are there.
 */
import type { Clock, Logger, NodeId } from "@hearthmesh/core";
import { sleep } from "@hearthmesh/core";
import type { Store } from "@hearthmesh/store";
import type { NodeCalls } from "./node-calls.js";
import { walkChunks } from "./workers/chunk-walk.js";

export interface RemovalCheckOptions {
  readonly store: Store;
  readonly calls: NodeCalls;
  readonly clock: Clock;
  readonly log: Logger;
  /** Rest after each page of references. */
  readonly pauseMs: number;
  readonly signal: AbortSignal;
  /** Storage nodes that are connected. */
  online(): readonly NodeId[];
}

export interface RemovalFacts {
  /** Chunks that files refer to and that the node has. Undefined while it is away. */
  readonly chunksHeld?: number;
  /** Of all these chunks, those that no other connected node has. */
  readonly onlyCopies: number;
  /** Some node could not be asked to the end, so there may be more copies than were seen. */
  readonly isPartial: boolean;
}

export async function lookBeforeRemoval(
  options: RemovalCheckOptions,
  nodeId: NodeId,
): Promise<RemovalFacts> {
  const { clock, pauseMs, signal } = options;
  const nodes = options.online();
  const isHere = nodes.includes(nodeId);
  const pause = async () => (pauseMs > 0 ? sleep(clock, pauseMs, signal) : undefined);
  let held = 0;
  let only = 0;
  let looked = nodes.length;
  for await (const chunk of walkChunks({ ...options, nodes, pause })) {
    if (!chunk.referenced) continue;
    looked = Math.min(looked, chunk.looked.size);
    const has = chunk.holders.has(nodeId);
    if (has) held++;
    const others = chunk.holders.size - (has ? 1 : 0);
    // Of a node that is away nobody knows what it has: what nobody else has may be there.
    if (others === 0 && (has || !isHere)) only++;
  }
  const isPartial = looked < nodes.length;
  return { ...(isHere ? { chunksHeld: held } : {}), onlyCopies: only, isPartial };
}
