/**
 * Stores one small chunk on its nodes, for `file.put`. Which node gets a copy when is decided by
 * the same plan that clients use for large files.
 */
import {
  type Clock,
  errorFields,
  type Logger,
  MeshError,
  type NodeId,
  type Random,
  randomInteger,
} from "@hearthmesh/core";
import { Bell } from "../client/bell.js";
import { type CopyCandidate, planCopies } from "../client/copy-plan.js";
import type { ChunkStoreRequest } from "../protocol.js";
import type { Placement } from "../storage/placement.js";
import { acksNeeded, failedNode, noStorage, type StorageView } from "./durability.js";
import { Slots } from "./gates.js";
import { type NodeCalls, storeMessage } from "./node-calls.js";

/** A node that failed is left alone for about this long; repair brings it what it missed. */
const PAUSE_MS = 2_000;
/** Chunks that one node stores for us at a time: a node takes twice as many requests from all. */
const STORES_AT_A_TIME_MAX = 64;

export interface ReplicaWriterOptions {
  readonly calls: NodeCalls;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  placement(): Placement;
  /** Whether the node is there and takes chunks now. */
  takesChunks(nodeId: NodeId): boolean;
  /** Copies that make a chunk safe, from the configuration. */
  acks(): number;
  /** For a refusal. */
  rule(): StorageView;
}

export interface StoredCopies {
  /** Nodes that had the chunk when it was safe. */
  readonly stored: ReadonlySet<NodeId>;
  /** Nodes that were still writing then. */
  readonly pending: ReadonlySet<NodeId>;
  /** Every node that has it, when all have answered. Never rejects. */
  readonly settled: Promise<ReadonlySet<NodeId>>;
}

export class ReplicaWriter {
  readonly #options: ReplicaWriterOptions;
  /** The last failure of each node that has not stored anything since. */
  readonly #failures = new Map<
    NodeId,
    { readonly error: unknown; readonly pausedUntilMs: number }
  >();
  readonly #slots = new Map<NodeId, Slots>();

  constructor(options: ReplicaWriterOptions) {
    this.#options = options;
  }

  /** Resolves when the chunk is safe, and rejects as `noStorage` says when it cannot be. */
  async store(request: ChunkStoreRequest, bytes: Uint8Array): Promise<StoredCopies> {
    const placement = this.#options.placement();
    const { layout } = placement;
    const needed = acksNeeded(layout, this.#options.acks());
    if (needed === 0) throw noStorage(this.#options.rule());
    const run = new CopyRun(this.#candidates(placement, request));
    const message = storeMessage(request, bytes);
    for (;;) {
      const plan = planCopies(run.candidates, layout.replicas, needed);
      for (const nodeId of plan.start) run.start(nodeId, this.#copy(nodeId, message));
      if (plan.safe) break;
      if (plan.blocked) {
        await run.settled();
        throw this.#refusal(run.inState("failed"));
      }
      await run.next();
    }
    return {
      stored: run.inState("stored"),
      pending: run.inState("pending"),
      settled: run.settled(),
    };
  }

  /** The nodes that should keep it, then those that stand in. */
  #candidates(placement: Placement, { id }: ChunkStoreRequest): Candidate[] {
    return placement.writeOrder(id).map(({ nodeId, zone }) => ({
      nodeId,
      zone: `${zone.memberId}/${zone.site}`,
      usable: this.#options.takesChunks(nodeId) && !this.#isPaused(nodeId),
      state: "untried",
    }));
  }

  async #copy(nodeId: NodeId, message: readonly Uint8Array[]): Promise<void> {
    const { calls, clock, random, log } = this.#options;
    try {
      await this.#slotsOf(nodeId).run(async () => {
        // It may have failed for those before, while this one waited.
        if (this.#isPaused(nodeId)) throw new MeshError("MESH_UNREACHABLE");
        await calls.store(nodeId, message);
      });
      this.#failures.delete(nodeId);
    } catch (error) {
      if (!this.#isPaused(nodeId)) {
        const pauseMs = PAUSE_MS + randomInteger(random, PAUSE_MS);
        this.#failures.set(nodeId, { error, pausedUntilMs: clock.monotonicMs() + pauseMs });
        log.warn("a node did not store a chunk", { nodeId, ...errorFields(error) });
      }
      throw error;
    }
  }

  #isPaused(nodeId: NodeId): boolean {
    const failure = this.#failures.get(nodeId);
    return this.#options.clock.monotonicMs() < (failure?.pausedUntilMs ?? 0);
  }

  /** What nodes say about themselves, and what those said that did not store just now. */
  #refusal(failed: ReadonlySet<NodeId>): MeshError {
    const rule = this.#options.rule();
    const known = new Set(rule.unavailable.map((node) => node.name));
    const others = rule.layout.nodes.flatMap(({ nodeId, name }) => {
      const failure = this.#failures.get(nodeId);
      const isOut = failed.has(nodeId) || this.#isPaused(nodeId);
      if (failure === undefined || !isOut || known.has(name)) return [];
      return [failedNode(name, failure.error)];
    });
    const unavailable = [...rule.unavailable, ...others];
    unavailable.sort((a, b) => (a.name < b.name ? -1 : 1));
    return noStorage({ ...rule, unavailable });
  }

  #slotsOf(nodeId: NodeId): Slots {
    const known = this.#slots.get(nodeId);
    if (known !== undefined) return known;
    const slots = new Slots(STORES_AT_A_TIME_MAX);
    this.#slots.set(nodeId, slots);
    return slots;
  }
}

/** Its state changes while copies are under way. */
type Candidate = { -readonly [Key in keyof CopyCandidate]: CopyCandidate[Key] };

/** The copies of one chunk that are under way. */
class CopyRun {
  readonly candidates: readonly Candidate[];
  readonly #answered = new Bell();

  constructor(candidates: readonly Candidate[]) {
    this.candidates = candidates;
  }

  start(nodeId: NodeId, copy: Promise<void>): void {
    const candidate = this.candidates.find((one) => one.nodeId === nodeId);
    if (candidate === undefined) return;
    candidate.state = "pending";
    const end = (state: "stored" | "failed") => {
      candidate.state = state;
      this.#answered.ring();
    };
    copy.then(
      () => end("stored"),
      () => end("failed"),
    );
  }

  /** Resolves when one more has answered. */
  next(): Promise<void> {
    return this.#answered.wait();
  }

  /** Nodes that have it, when all that were asked have answered. */
  async settled(): Promise<ReadonlySet<NodeId>> {
    while (this.candidates.some(({ state }) => state === "pending")) await this.next();
    return this.inState("stored");
  }

  inState(wanted: Candidate["state"]): ReadonlySet<NodeId> {
    const those = this.candidates.filter(({ state }) => state === wanted);
    return new Set(those.map(({ nodeId }) => nodeId));
  }
}
