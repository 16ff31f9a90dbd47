/**
 * Whether a storage node keeps a chunk and gives it back: written with a ticket, answered with a
 * receipt, read with a ticket, its hash compared, deleted by order, as for a file. The bytes are
 * drawn at random, so the chunk is nobody's; when this process dies in between, it is one that no
 * file names, and garbage collection removes it.
 */
import {
  type Clock,
  encodeMessage,
  type FileId,
  MeshError,
  type NodeId,
  type Random,
} from "@hearthmesh/core";
import { fetchChunks } from "../client/chunk-fetch.js";
import type { NodeLinks } from "../client/ports.js";
import { PutStream } from "../client/put-stream.js";
import { deferred, withSignal } from "../client/waiting.js";
import type { ChunkPutOpen } from "../protocol.js";
import { chunkIdOf } from "../storage/blake3.js";
import type { ChunkRef, NodeInfo } from "../types.js";
import { type AskFailure, askHedged } from "./hedged-asking.js";
import type { NodeCalls } from "./node-calls.js";
import type { NodeDirectory } from "./node-directory.js";
import type { TicketOffice } from "./ticket-office.js";

const PROBE_BYTES = 1024;
const FILE_ID_BYTES = 16;
const OVERDUE_MAX = 16;
/** In front of the chunk, where the owner of a file stands. */
const OWNER = "canary";

export interface ChunkProbeOptions {
  readonly tickets: TicketOffice;
  readonly calls: NodeCalls;
  readonly nodes: Pick<NodeDirectory, "takingChunks" | "list" | "info">;
  readonly epoch: number;
  /** Whose key the tickets are shown with. */
  readonly self: NodeId;
  readonly clock: Clock;
  readonly random: Random;
}

export class ChunkProbe {
  readonly #options: ChunkProbeOptions;
  #turn = 0;
  /** What failed after another node had answered: told with the next run. */
  #overdue: AskFailure[] = [];

  constructor(options: ChunkProbeOptions) {
    this.#options = options;
  }

  /**
   * Asks another node first each time, and the next ones as soon as one fails or is late; the first
   * that keeps its chunk is the answer (see `hedged-asking.ts`). `MESH_NO_STORAGE` when none takes
   * chunks, `MESH_TIMEOUT` when too many hang, else what the last one said.
   */
  async run(links: NodeLinks, signal: AbortSignal): Promise<ChunkProbeAnswer> {
    const takers = this.#options.nodes.takingChunks();
    const first = this.#turn++ % Math.max(1, takers.length);
    const nodes = [...takers.slice(first), ...takers.slice(0, first)].flatMap(
      (nodeId) => this.#options.nodes.info(nodeId) ?? [],
    );
    const overdue = this.#overdue.splice(0);
    const answer = await askHedged(
      nodes.map((node) => ({
        name: node.name,
        ask: (inner: AbortSignal) => this.#probe(links, node, inner),
      })),
      {
        ...{ clock: this.#options.clock, signal },
        onOverdue: (name, error) => this.#noteOverdue({ name, error }),
      },
    );
    if (answer === undefined) throw new MeshError("MESH_NO_STORAGE");
    const { name: node, failed, late } = answer;
    return { node, failed: [...overdue, ...failed], late };
  }

  #noteOverdue(one: AskFailure): void {
    const others = this.#overdue.filter(({ name }) => name !== one.name);
    this.#overdue = [...others, one].slice(-OVERDUE_MAX);
  }

  async #probe(links: NodeLinks, node: NodeInfo, signal: AbortSignal): Promise<void> {
    const { tickets, calls, clock, random, epoch, self } = this.#options;
    const bytes = random.bytes(PROBE_BYTES);
    const chunk: ChunkRef = { id: chunkIdOf([bytes]), sizeBytes: bytes.length };
    const scope = { holder: self, nodes: [node.nodeId] };
    const remove = () => calls.delete(node.nodeId, { ids: [chunk.id], epoch });
    try {
      await this.#write(links, node, chunk, bytes, signal);
      const { ticket } = tickets.forCopying(scope, [chunk.id]);
      const fetch = { links, node, ticket, clock, signal, onTicketRefused: () => undefined };
      for await (const fetched of fetchChunks(fetch, [chunk])) {
        if ("error" in fetched) throw fetched.error;
      }
    } catch (error) {
      // The node may have kept it all the same.
      await remove().catch(() => undefined);
      throw error;
    }
    await remove();
  }

  async #write(
    links: NodeLinks,
    node: NodeInfo,
    { id, sizeBytes }: ChunkRef,
    bytes: Uint8Array,
    signal: AbortSignal,
  ): Promise<void> {
    const { tickets, clock, random, self } = this.#options;
    const fileId = Buffer.from(random.bytes(FILE_ID_BYTES)).toString("hex") as FileId;
    const scope = { holder: self, nodes: [node.nodeId] };
    const { ticket } = tickets.forRestoring(scope, fileId, OWNER);
    const link = await links.linkTo(node, signal);
    const header = Buffer.concat(encodeMessage({ ticket } satisfies ChunkPutOpen));
    const raw = await link.openStream("chunk.put", header, { signal });
    const stream = new PutStream(raw, ticket, clock, () => undefined);
    const result = deferred<string>();
    await stream.send({ item: { index: 0, id, sizeBytes }, pieces: [bytes], result });
    stream.finish();
    await withSignal(result.promise, signal);
  }
}

export interface ChunkProbeAnswer {
  /** Name of the node that kept the chunk. */
  readonly node: string;
  /** In this run, or after the answer of the last one. */
  readonly failed: readonly AskFailure[];
  /** Names of those that were late, and had not failed when another had answered. */
  readonly late: readonly string[];
}
