/**
 * The full walk: every chunk, every connected storage node. It orders the copies that are missing,
 * collects what nobody refers to, has copies removed that are in the wrong place, and so knows how
 * many chunks have all their replicas.
 *
 * A copy outside the replica set is removed only when every node of the set has the chunk, under a
 * layout that has not changed since the walk began.
 */
import { type ChunkId, type Clock, type Logger, type NodeId, sleep } from "@hearthmesh/core";
import type { Store } from "@hearthmesh/store";
import { Placement } from "../../storage/placement.js";
import { portionAt } from "../../storage/scrub-plan.js";
import type { Layout } from "../../types.js";
import type { ChunkGuard } from "../chunk-guard.js";
import type { DrainWatch } from "../drain-watch.js";
import { replicasPossible } from "../layout-change.js";
import type { NodeCalls } from "../node-calls.js";
import type { NodeDirectory } from "../node-directory.js";
import type { TicketOffice } from "../ticket-office.js";
import { type WalkedChunk, walkChunks } from "./chunk-walk.js";
import { CopyOrders } from "./copy-orders.js";
import { ExcessCopies } from "./excess-copies.js";
import type { GarbageCandidates } from "./garbage-candidates.js";
import { type ReplicationState, ReplicationTally } from "./replication-tally.js";
import type { Progress } from "./worker.js";

const TELL_EVERY_CHUNKS = 256;

export interface RepairWalkOptions {
  readonly store: Store;
  readonly nodes: NodeDirectory;
  readonly calls: NodeCalls;
  readonly tickets: TicketOffice;
  readonly candidates: GarbageCandidates;
  readonly guard: ChunkGuard;
  readonly drains: DrainWatch;
  readonly clock: Clock;
  readonly log: Logger;
  readonly epoch: number;
  /** A chunk that nobody refers to is kept this long. */
  readonly graceMs: number;
  /** A node that is away for longer counts as lost: others take over its chunks. */
  readonly lostAfterMs: number;
  /** Rest between two pages of references. */
  readonly pauseMs: number;
  layout(): Layout;
  /** No node of this home has the chunk, and none is awaited that might. */
  onLost?(id: ChunkId): void;
}

export class RepairWalk {
  readonly #options: RepairWalkOptions;
  #state: ReplicationState | undefined;
  #repairable = 0;

  constructor(options: RepairWalkOptions) {
    this.#options = options;
  }

  /** Undefined until the first walk has ended. */
  get state(): ReplicationState | undefined {
    return this.#state;
  }

  /** Chunks of the last walk that lack a copy on a node that is there: worth another try soon. */
  get repairable(): number {
    return this.#repairable;
  }

  /** The placement without the nodes that count as lost. */
  placement(): Placement {
    return new Placement(this.#options.nodes.layoutWithoutLost(this.#options.lostAfterMs));
  }

  /**
   * Without any connected storage node there is nothing to see, and nothing becomes known. A node
   * that counts as lost while the walk is under way makes it begin anew: the rest of a long walk
   * would not know of it.
   */
  async run(signal: AbortSignal, progress: Progress): Promise<void> {
    while (!(await this.#walk(signal, progress))) {
      this.#options.log.info("the walk begins anew: one more node counts as lost");
    }
  }

  /** False when it was left because it did not know of a lost node. */
  async #walk(signal: AbortSignal, progress: Progress): Promise<boolean> {
    const { nodes, log, clock } = this.#options;
    const online = nodes.onlineStorage();
    if (online.length === 0) return true;
    const tally = new ReplicationTally();
    const placement = this.placement();
    const lost = this.#lostNodes(placement.layout);
    const pass = new WalkPass(this.#options, placement, tally, progress);
    const pause = async () => {
      await this.#pause(signal);
      await progress.pace(0);
    };
    let seen = 0;
    const observation = this.#options.drains.observe(online);
    for await (const chunk of walkChunks({ ...this.#options, nodes: online, signal, pause })) {
      observation.see(chunk);
      if (seen++ % TELL_EVERY_CHUNKS === 0) {
        if (this.#hasLostMore(lost)) {
          await pass.finish();
          return false;
        }
        progress.at(`chunk ${chunk.id.slice(0, 12)}`);
        progress.portion(portionAt(chunk.id));
      }
      await pass.see(chunk);
    }
    await pass.finish();
    observation.end();
    const { version: layoutVersion } = placement.layout;
    this.#state = tally.state({ lastWalkMs: clock.nowMs(), layoutVersion, lost });
    this.#repairable = tally.repairable;
    const { chunks, underReplicated } = this.#state;
    if (underReplicated > 0) {
      log.info("chunks lack copies", { count: underReplicated });
    }
    log.debug("walked all chunks", { count: chunks });
    return true;
  }

  #hasLostMore(known: readonly NodeId[]): boolean {
    const now = this.#lostNodes(this.placement().layout);
    return now.some((nodeId) => !known.includes(nodeId));
  }

  #lostNodes(walked: Layout): NodeId[] {
    const kept = new Set(walked.nodes.map(({ nodeId }) => nodeId));
    const { nodes } = this.#options.layout();
    return nodes.map(({ nodeId }) => nodeId).filter((nodeId) => !kept.has(nodeId));
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const { clock, pauseMs } = this.#options;
    if (pauseMs > 0) await sleep(clock, pauseMs, signal);
  }
}

/** One walk: what is done with each chunk. */
class WalkPass {
  readonly #options: RepairWalkOptions;
  readonly #placement: Placement;
  readonly #wanted: number;
  readonly #tally: ReplicationTally;
  readonly #orders: CopyOrders;
  readonly #excess: ExcessCopies;

  constructor(
    options: RepairWalkOptions,
    placement: Placement,
    tally: ReplicationTally,
    progress: Progress,
  ) {
    this.#options = options;
    this.#placement = placement;
    this.#tally = tally;
    const layout = options.layout();
    this.#wanted = replicasPossible(layout);
    const onSettled = (id: ChunkId, _target: NodeId, copied: boolean) => tally.settled(id, copied);
    this.#orders = new CopyOrders({ ...options, progress, onSettled });
    const stillValid = () => options.layout().version === layout.version;
    this.#excess = new ExcessCopies({ ...options, progress, stillValid });
  }

  async see(chunk: WalkedChunk): Promise<void> {
    const { id, holders, looked } = chunk;
    const { candidates, clock, graceMs } = this.#options;
    if (!chunk.referenced) {
      candidates.add(id, clock.monotonicMs(), graceMs);
      return;
    }
    const set = this.#placement.replicaSet(id);
    const absent = set.filter((nodeId) => !holders.has(nodeId));
    if (absent.length === 0 && set.length >= this.#wanted) {
      this.#tally.complete();
      await this.#removeExcess(chunk, set);
      return;
    }
    const targets = holders.size === 0 ? [] : absent.filter((nodeId) => looked.has(nodeId));
    // Complete afterwards only when nothing is missing but what is ordered now.
    const curable = set.length >= this.#wanted && targets.length === absent.length;
    this.#tally.incomplete(id, { orders: targets.length, curable, lost: holders.size === 0 });
    // A node that may come back soon may have it: only then is it lost for this home.
    const isEverySeen = this.#placement.layout.nodes.every(({ nodeId }) => looked.has(nodeId));
    if (holders.size === 0 && isEverySeen) this.#options.onLost?.(id);
    for (const target of targets) await this.#orders.add(id, target, holders);
  }

  async finish(): Promise<void> {
    await this.#orders.finish();
    await this.#excess.finish();
  }

  async #removeExcess({ id, holders }: WalkedChunk, set: readonly NodeId[]): Promise<void> {
    if (holders.size === set.length) return;
    for (const nodeId of holders) {
      if (!set.includes(nodeId)) await this.#excess.add(id, nodeId, set);
    }
  }
}
