/**
 * The worker `damage`: reads copies again that somebody found damaged, and has damaged ones
 * replaced. Only what this coordinator has read and hashed itself counts against a node, so a
 * reader cannot frame one, and a node cannot talk itself out of it.
 *
 * - `whole`: whoever said so was wrong, or the fault was on its way. Nothing is counted.
 * - `damaged`: counted (`damage-book.ts`). When as many whole copies as a write needs were read
 *   elsewhere, this one is deleted and copied to the node anew.
 * - `gone`: the node took it out of service itself, and says so in its report. It is copied anew.
 * - `unknown`: the node could not be asked; a later run tries again.
 *
 * Invariant: a copy is deleted only after its bytes were read and were wrong, and after whole ones
 * were read on `wholeNeeded` other nodes.
 */
import {
  type ChunkId,
  type Clock,
  isMeshError,
  type Logger,
  MeshError,
  type NodeId,
} from "@hearthmesh/core";
import type { Store } from "@hearthmesh/store";
import { fetchChunks } from "../../client/chunk-fetch.js";
import type { NodeLinks } from "../../client/ports.js";
import type { Placement } from "../../storage/placement.js";
import type { ChunkRef } from "../../types.js";
import type { ChunkGuard } from "../chunk-guard.js";
import type { DamageBook } from "../damage-book.js";
import type { DamageDesk, Suspect } from "../damage-desk.js";
import { keys } from "../keys.js";
import type { NodeCalls } from "../node-calls.js";
import type { NodeDirectory } from "../node-directory.js";
import { decodeReference } from "../records.js";
import type { TicketOffice } from "../ticket-office.js";
import { CopyOrders } from "./copy-orders.js";
import type { GarbageHold } from "./garbage-hold.js";
import type { Progress } from "./worker-definition.js";

/** Memory that fails does so now and then: a copy is whole when it was so many times in a row. */
const READS = 3;

export interface DamageCheckOptions {
  readonly suspects: DamageDesk;
  readonly book: DamageBook;
  readonly store: Store;
  readonly nodes: NodeDirectory;
  readonly calls: NodeCalls;
  readonly tickets: TicketOffice;
  readonly guard: ChunkGuard;
  readonly hold: Pick<GarbageHold, "isHeld">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly epoch: number;
  /** Whose key the tickets are shown with. */
  readonly self: NodeId;
  placement(): Placement;
  /** Copies before a write is answered. */
  acks(): number;
}

type Finding = "whole" | "wrong" | "admitted" | "gone" | "unknown";

export class DamageCheck {
  readonly #options: DamageCheckOptions;
  readonly #links: NodeLinks;

  constructor(options: DamageCheckOptions) {
    this.#options = options;
    this.#links = {
      linkTo: async ({ nodeId }) => {
        const link = options.nodes.link(nodeId);
        if (link !== undefined) return link;
        throw new MeshError("MESH_UNREACHABLE", { message: "the node is not connected" });
      },
    };
  }

  /** Those that wait now; what comes meanwhile, and what was put back, is for the next run. */
  async run(signal: AbortSignal, progress: Progress): Promise<void> {
    const { suspects } = this.#options;
    for (let left = suspects.length; left > 0; left--) {
      signal.throwIfAborted();
      const suspect = suspects.next();
      if (suspect === undefined) return;
      const chunk = await this.#referenced(suspect.id);
      if (chunk === undefined) continue;
      progress.at(`chunk ${suspect.id.slice(0, 12)}`);
      await this.#look(suspect, chunk, signal, progress);
      await progress.pace(chunk.sizeBytes);
    }
  }

  async #look(
    suspect: Suspect,
    chunk: ChunkRef,
    signal: AbortSignal,
    progress: Progress,
  ): Promise<void> {
    const { suspects, book, log, guard } = this.#options;
    const { nodeId, id } = suspect;
    const finding = await this.#readAgain(nodeId, chunk, signal);
    progress.bytes(chunk.sizeBytes);
    if (finding === "unknown") return suspects.putBack(suspect);
    if (finding === "whole") {
      log.debug("a copy that was said to be damaged is whole", { nodeId, chunkId: id });
      return;
    }
    if (finding !== "gone") {
      progress.error(1);
      log.warn("a node gave back a damaged chunk", { nodeId, chunkId: id, reason: finding });
      await book.found(nodeId, id, finding === "wrong");
    }
    await guard.use([id], () => this.#replace(nodeId, chunk, signal, progress));
  }

  /** `gone` when the node does not claim to have it; what it claims and does not give is wrong. */
  async #readAgain(nodeId: NodeId, chunk: ChunkRef, signal: AbortSignal): Promise<Finding> {
    const { calls } = this.#options;
    let finding: Finding = "unknown";
    for (let read = 0; read < READS; read++) {
      finding = await this.#read(nodeId, chunk, signal);
      if (finding === "wrong" || finding === "admitted" || finding === "unknown") return finding;
      if (finding !== "gone") continue;
      const isListed = await calls.has(nodeId, chunk.id).catch(() => undefined);
      if (isListed === undefined) return "unknown";
      if (!isListed) return "gone";
    }
    return finding === "gone" ? "wrong" : finding;
  }

  async #read(nodeId: NodeId, chunk: ChunkRef, signal: AbortSignal): Promise<Finding> {
    const { nodes, tickets, clock, self } = this.#options;
    const node = nodes.info(nodeId);
    if (node === undefined) return "unknown";
    const { ticket } = tickets.forCopying({ holder: self, nodes: [nodeId] }, [chunk.id]);
    const ground = { links: this.#links, node, ticket, clock, signal };
    try {
      const fetches = fetchChunks({ ...ground, onTicketRefused: () => undefined }, [chunk]);
      for await (const fetched of fetches) {
        // By its hash alone: the size is the word of whoever made the file.
        if (!("error" in fetched) || fetched.isWhole === true) return "whole";
        if (fetched.isWrong === true) return "wrong";
        if (isMeshError(fetched.error, "MESH_CHUNK_MISMATCH")) return "admitted";
        return isMeshError(fetched.error, "MESH_CHUNK_NOT_FOUND") ? "gone" : "unknown";
      }
    } catch {
      signal.throwIfAborted();
    }
    return "unknown";
  }

  /** Where the layout does not want the chunk, the walk brings it to others. */
  async #replace(
    nodeId: NodeId,
    chunk: ChunkRef,
    signal: AbortSignal,
    progress: Progress,
  ): Promise<void> {
    const { calls, hold, log, epoch, placement } = this.#options;
    const { id } = chunk;
    if (hold.isHeld || !placement().replicaSet(id).includes(nodeId)) return;
    const needed = this.#wholeNeeded();
    const whole = await this.#wholeElsewhere(nodeId, chunk, needed, signal);
    if (whole.length < needed) {
      const count = whole.length;
      log.error("too few whole copies are there to replace a damaged one", {
        ...{ nodeId, chunkId: id, count },
      });
      return;
    }
    if (await calls.has(nodeId, id)) await calls.delete(nodeId, { ids: [id], epoch });
    const orders = new CopyOrders({ ...this.#options, progress, onSettled: () => undefined });
    await orders.add(id, nodeId, whole);
    await orders.finish();
  }

  #wholeNeeded(): number {
    const { placement, acks } = this.#options;
    return Math.max(1, Math.min(acks(), placement().layout.replicas - 1));
  }

  async #wholeElsewhere(
    except: NodeId,
    chunk: ChunkRef,
    needed: number,
    signal: AbortSignal,
  ): Promise<NodeId[]> {
    const { nodes, placement } = this.#options;
    const there = new Set(nodes.onlineStorage());
    const set = placement();
    const order = new Set([...set.replicaSet(chunk.id), ...set.order(chunk.id), ...there]);
    const whole: NodeId[] = [];
    for (const nodeId of order) {
      if (whole.length >= needed) break;
      if (nodeId === except || !there.has(nodeId)) continue;
      if ((await this.#read(nodeId, chunk, signal)) === "whole") whole.push(nodeId);
    }
    return whole;
  }

  /** With its size; undefined when no file refers to it any more. */
  async #referenced(id: ChunkId): Promise<ChunkRef | undefined> {
    const { store } = this.#options;
    const { entries } = await store.range(keys.referencesOf(id), { limit: 1 });
    const [row] = entries;
    return row && { id, sizeBytes: decodeReference(row.value).sizeBytes };
  }
}
