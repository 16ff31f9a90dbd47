/**
 * The references against what the storage nodes have. Rows and lists are read at different moments,
 * so what looks lost is looked at again before it is told: the reference must still be there, and
 * every node that is there is asked for the chunk.
 */
import { type ChunkId, type Logger, limits, type NodeId } from "@hearthmesh/core";
import type { Store } from "@hearthmesh/store";
import type { Placement } from "../../storage/placement.js";
import { portionAt } from "../../storage/scrub-plan.js";
import { keys } from "../keys.js";
import { replicasPossible } from "../layout-change.js";
import type { NodeCalls } from "../node-calls.js";
import type { NodeDirectory } from "../node-directory.js";
import { isEmpty } from "../store-helpers.js";
import { walkChunks } from "../workers/chunk-walk.js";
import type { Progress } from "../workers/worker-definition.js";

/** Unreferenced chunks whose age is looked up, on each node: their bytes are read for it. */
const AGES_ASKED_MAX = 16;
const PACE_EVERY_CHUNKS = 1_000;

export interface ChunksOptions {
  readonly store: Store;
  readonly nodes: NodeDirectory;
  readonly calls: NodeCalls;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly progress: Progress;
  placement(): Placement;
}

export interface ChunksSeen {
  readonly chunks: number;
  readonly underReplicated: number;
  readonly unreferenced: { readonly chunks: number; readonly oldestAtMs?: number };
  /** Referenced, and on no node that was asked. */
  readonly gone: readonly ChunkId[];
  /** Names of the nodes that were not asked for all of it. */
  readonly nodesAway: readonly string[];
  readonly isCut: boolean;
}

export async function lookAtChunks(options: ChunksOptions): Promise<ChunksSeen> {
  const { nodes, progress } = options;
  const online = nodes.onlineStorage();
  const placement = options.placement();
  const wanted = replicasPossible(placement.layout);
  const candidates: ChunkId[] = [];
  const unreferenced = new Map<NodeId, ChunkId[]>();
  let [chunks, underReplicated, strays] = [0, 0, 0];
  let looked: ReadonlySet<NodeId> = new Set(online);
  let isCut = false;
  let steps = 0;
  const walk = { ...options, nodes: online, pause: () => progress.pace(0) };
  for await (const chunk of walkChunks(walk)) {
    looked = chunk.looked;
    if (++steps % PACE_EVERY_CHUNKS === 0) {
      progress.at(`chunk ${chunk.id.slice(0, 12)}`);
      progress.portion(0.5 + portionAt(chunk.id) / 2);
      await progress.pace(0);
    }
    if (!chunk.referenced) {
      strays++;
      collectStray(unreferenced, chunk.id, chunk.holders);
      continue;
    }
    chunks++;
    const set = placement.replicaSet(chunk.id);
    const stored = set.filter((nodeId) => chunk.holders.has(nodeId)).length;
    if (stored < Math.min(wanted, set.length) || set.length < wanted) underReplicated++;
    if (chunk.holders.size > 0) continue;
    if (candidates.length < limits.FSCK_FINDINGS_MAX) candidates.push(chunk.id);
    else isCut = true;
  }
  const oldestAtMs = await oldestOf(options.calls, unreferenced);
  return {
    ...{ chunks, underReplicated, isCut },
    unreferenced: { chunks: strays, ...(oldestAtMs === undefined ? {} : { oldestAtMs }) },
    gone: await lookAgain(options, candidates),
    nodesAway: namesAway(nodes, looked),
  };
}

function collectStray(
  byNode: Map<NodeId, ChunkId[]>,
  id: ChunkId,
  holders: ReadonlySet<NodeId>,
): void {
  const [holder] = holders;
  if (holder === undefined) return;
  const ids = byNode.get(holder) ?? [];
  byNode.set(holder, ids);
  if (ids.length < AGES_ASKED_MAX) ids.push(id);
}

/** Of those that were asked for; undefined when there are none. */
async function oldestOf(
  calls: NodeCalls,
  byNode: ReadonlyMap<NodeId, readonly ChunkId[]>,
): Promise<number | undefined> {
  const heads = await Promise.all(
    [...byNode].map(([nodeId, ids]) => calls.heads(nodeId, ids).catch(() => [])),
  );
  const times = heads.flat().map((head) => head.atMs);
  return times.length === 0 ? undefined : Math.min(...times);
}

/** Those that are still referred to and that no node has now. */
async function lookAgain(
  { store, nodes, calls, signal, progress }: ChunksOptions,
  candidates: readonly ChunkId[],
): Promise<ChunkId[]> {
  const gone: ChunkId[] = [];
  for (const id of candidates) {
    signal.throwIfAborted();
    const has = await Promise.all(
      nodes.onlineStorage().map((nodeId) => calls.has(nodeId, id).catch(() => undefined)),
    );
    await progress.pace(0);
    if (has.includes(true)) continue;
    if (!(await isEmpty(store, keys.referencesOf(id)))) gone.push(id);
  }
  return gone;
}

/** Storage nodes that may have chunks and were not asked to the end. */
function namesAway(nodes: NodeDirectory, looked: ReadonlySet<NodeId>): string[] {
  return nodes
    .list()
    .filter(({ roles, nodeId }) => roles.includes("storage") && !looked.has(nodeId))
    .map(({ name }) => name);
}
