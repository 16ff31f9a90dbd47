/** One chunk of an upload: starts copies as `planCopies` says until the chunk is safe. */
import { type Clock, isMeshError, MeshError, type NodeId, sleep } from "@hearthmesh/core";
import type { ChunkPutItem, ChunkReceipt } from "../protocol.js";
import type { Placement } from "../storage/placement.js";
import type { LayoutNode } from "../types.js";
import { Bell } from "./bell.js";
import { type CopyCandidate, planCopies } from "./copy-plan.js";
import type { NodeWriter } from "./node-writer.js";
import { deferred, reasonOf } from "./waiting.js";

/** Without any way forward for this long, the chunk cannot be written. */
const BLOCKED_TIMEOUT_MS = 15_000;
const BLOCKED_POLL_MS = 200;
/** A node that refused the chunk may be asked again after this. */
const COPY_RETRY_MS = 1_000;

export interface ChunkWriteOptions {
  item: ChunkPutItem;
  pieces: readonly Uint8Array[];
  placement: Placement;
  acksNeeded: number;
  /** Undefined for a node of the layout that the coordinator told nothing about. */
  writerOf(nodeId: NodeId): NodeWriter | undefined;
  keepFresh(): Promise<void>;
  clock: Clock;
  signal: AbortSignal;
}

interface Attempt {
  state: "pending" | "stored" | "failed";
  failedAtMs: number;
  error: unknown;
}

export class ChunkWrite {
  readonly receipts: ChunkReceipt[] = [];
  readonly #settled = deferred<void>();
  readonly #options: ChunkWriteOptions;
  readonly #order: readonly LayoutNode[];
  readonly #attempts = new Map<NodeId, Attempt>();
  readonly #changed = new Bell();
  #pieces: readonly Uint8Array[];
  #pending = 0;
  #safe = false;

  constructor(options: ChunkWriteOptions) {
    this.#options = options;
    this.#pieces = options.pieces;
    this.#order = options.placement.writeOrder(options.item.id);
  }

  get isSafe(): boolean {
    return this.#safe;
  }

  /** Nodes whose answers are still out. */
  waitsFor(): NodeId[] {
    return [...this.#attempts].filter(([, one]) => one.state === "pending").map(([id]) => id);
  }

  get index(): number {
    return this.#options.item.index;
  }

  /** Resolves when the chunk is safe; copies that are not answered by then go on. */
  async run(): Promise<void> {
    try {
      await this.#becomeSafe();
    } finally {
      this.#safe = true;
      this.#settleWhenAnswered();
    }
  }

  /** Resolves when every copy was answered or given up, and the bytes are no longer needed. */
  settled(): Promise<void> {
    return this.#settled.promise;
  }

  async #becomeSafe(): Promise<void> {
    const { placement, acksNeeded, clock, signal } = this.#options;
    const replicas = Math.max(1, placement.layout.replicas);
    let blockedSinceMs: number | undefined;
    for (;;) {
      signal.throwIfAborted();
      const plan = planCopies(this.#candidates(), replicas, acksNeeded);
      if (plan.safe) return;
      for (const nodeId of plan.start) this.#startCopy(nodeId);
      if (!plan.blocked) {
        blockedSinceMs = undefined;
        await this.#changed.wait();
        continue;
      }
      blockedSinceMs ??= clock.monotonicMs();
      const waitedMs = clock.monotonicMs() - blockedSinceMs;
      // Nodes come back by themselves; space does not.
      if (this.#onlySpaceIsMissing() || waitedMs > BLOCKED_TIMEOUT_MS) throw this.#noStorage();
      await sleep(clock, BLOCKED_POLL_MS, signal);
      await this.#options.keepFresh();
    }
  }

  #candidates(): CopyCandidate[] {
    const nowMs = this.#options.clock.monotonicMs();
    return this.#order.map((node) => {
      const attempt = this.#attempts.get(node.nodeId);
      const again = attempt?.state === "failed" && nowMs - attempt.failedAtMs >= COPY_RETRY_MS;
      return {
        nodeId: node.nodeId,
        zone: `${node.zone.memberId}/${node.zone.site}`,
        usable: this.#options.writerOf(node.nodeId)?.usable === true,
        state: attempt === undefined || again ? "untried" : attempt.state,
      };
    });
  }

  #startCopy(nodeId: NodeId): void {
    const writer = this.#options.writerOf(nodeId);
    if (writer === undefined) return;
    const attempt: Attempt = { state: "pending", failedAtMs: 0, error: undefined };
    this.#attempts.set(nodeId, attempt);
    this.#pending++;
    const { item, clock } = this.#options;
    writer
      .put(item, this.#pieces)
      .then(
        (receipt) => {
          attempt.state = "stored";
          this.receipts.push({ index: item.index, nodeId, receipt });
        },
        (error: unknown) => {
          attempt.state = "failed";
          attempt.failedAtMs = clock.monotonicMs();
          attempt.error = error;
        },
      )
      .finally(() => {
        this.#pending--;
        this.#changed.ring();
        this.#settleWhenAnswered();
      });
  }

  #settleWhenAnswered(): void {
    if (!this.#safe || this.#pending > 0) return;
    this.#pieces = [];
    this.#settled.resolve();
  }

  /** Whether every node that does not have the chunk said that its disk is full. */
  #onlySpaceIsMissing(): boolean {
    const attempts = this.#order.map((node) => this.#attempts.get(node.nodeId));
    const missing = attempts.filter((attempt) => attempt?.state !== "stored");
    return missing.length > 0 && missing.every((one) => isMeshError(one?.error, "MESH_DISK_FULL"));
  }

  #noStorage(): MeshError {
    const { placement, acksNeeded, item, writerOf } = this.#options;
    const nodes = this.#order.map((node) => {
      const attempt = this.#attempts.get(node.nodeId);
      const error = attempt?.error ?? writerOf(node.nodeId)?.lastError;
      const reason = attempt?.state === "stored" ? "stored" : error && reasonOf(error);
      return { name: node.name, reason: reason || "it is not known to the coordinator" };
    });
    nodes.sort((a, b) => (a.name < b.name ? -1 : 1));
    const list = nodes.map((node) => `${node.name}: ${node.reason}`).join("; ");
    const copies = acksNeeded === 1 ? "copy" : "copies";
    const message =
      placement.layout.nodes.length === 0
        ? "there is no storage node yet"
        : `part ${item.index + 1} needs ${acksNeeded} safe ${copies} (${list})`;
    const code = this.#onlySpaceIsMissing() ? "MESH_DISK_FULL" : "MESH_NO_STORAGE";
    return new MeshError(code, { message, details: { acksNeeded, nodes } });
  }
}
