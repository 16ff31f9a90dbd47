/**
 * A storage node for tests of the coordinator: chunks in a map, over a real link, with real tickets
 * and receipts. It can be made to fail, to lose chunks and to fall silent.
 */
import {
  asWireError,
  type ChunkId,
  decodeMessage,
  encodeMessage,
  type FileId,
  limits,
  MeshError,
  type NodeId,
} from "@hearthmesh/core";
import type { IncomingRequest, Link, LinkHandlers } from "@hearthmesh/qwormhole";
import type {
  ChunkCopyRequest,
  ChunkDeleteRequest,
  ChunkHeadsRequest,
  ChunkListRequest,
  ChunkReceipt,
  ChunkScrubRequest,
  ChunkScrubResponse,
  ChunkStoreRequest,
  NodeRegisterResponse,
  NodeReportResponse,
} from "../../protocol.js";
import { chunkIdOf } from "../../storage/blake3.js";
import { makeReceipt } from "../../storage/receipts.js";
import { laterMark, readMark, type SeenMark } from "../../storage/seen-mark.js";
import { verifyTicket } from "../../storage/tickets.js";
import type { ChunkHeader, ChunkRef, StorageReport } from "../../types.js";

export interface MemoryNodeOptions {
  readonly nodeId: NodeId;
  readonly name: string;
  readonly publicKeyDer: Uint8Array;
  readonly nowMs: () => number;
  /** Finds another node, as dialling its address would. */
  readonly peer: (nodeId: NodeId) => MemoryNode | undefined;
}

export class MemoryNode {
  readonly chunks = new Map<ChunkId, Uint8Array>();
  /** What stands in front of those that a file was written with. */
  readonly heads = new Map<ChunkId, ChunkHeader>();
  /** What it heard last; told when it registers, unless a test forgets it. */
  seen: SeenMark | undefined;
  /** Called before each request is served; may throw, or wait for as long as it likes. */
  onServe: (method: string) => void | Promise<void> = () => undefined;
  readonly served: string[] = [];
  capacityBytes = 1 << 30;
  /** Told in its next report, instead of what follows from its chunks. */
  told: Partial<StorageReport> = {};
  /** Whole scrubs that it was asked for. */
  passes = 0;
  /** What it reports when it says that it is full. */
  fullReason: string | undefined;
  site = "home";
  link: Link | undefined;
  #receiptKey: Uint8Array = new Uint8Array(0);
  readonly #options: MemoryNodeOptions;

  constructor(options: MemoryNodeOptions) {
    this.#options = options;
  }

  get nodeId(): NodeId {
    return this.#options.nodeId;
  }

  get name(): string {
    return this.#options.name;
  }

  report(): StorageReport {
    return {
      capacityBytes: this.capacityBytes,
      usedBytes: 0,
      freeBytes: this.fullReason === undefined ? this.capacityBytes : 0,
      chunkCount: this.chunks.size,
      corruptChunks: 0,
      corruptLastDay: 0,
      ...(this.fullReason === undefined ? {} : { readOnly: this.fullReason }),
      ...this.told,
    };
  }

  async register(): Promise<NodeRegisterResponse> {
    const message = encodeMessage({
      roles: ["storage"],
      site: this.site,
      addresses: [`${this.name}:9000`],
      version: "test",
      report: this.report(),
      ...(this.seen === undefined ? {} : { seen: this.seen }),
    });
    const bytes = await this.link?.request("node.register", message);
    const { header } = decodeMessage<NodeRegisterResponse>(bytes ?? new Uint8Array(0));
    this.#receiptKey = Buffer.from(header.receiptKey, "base64url");
    this.hear(header);
    return header;
  }

  async sendReport(): Promise<void> {
    const bytes = await this.link?.request("node.report", encodeMessage({ report: this.report() }));
    this.hear(decodeMessage<NodeReportResponse>(bytes ?? new Uint8Array(0)).header);
  }

  hear(answer: unknown): void {
    const heard = readMark(answer);
    if (heard !== undefined) this.seen = laterMark(this.seen, heard);
  }

  /** What a client's `chunk.put` does, without the stream. */
  put(fileId: FileId, index: number, bytes: Uint8Array): ChunkReceipt {
    const id = chunkIdOf([bytes]);
    this.#keep({ fileId, index, id, owner: "spiffe://home.alice/node/alice-coordinator" }, bytes);
    return this.receiptFor(fileId, index, { id, sizeBytes: bytes.length });
  }

  receiptFor(fileId: FileId, index: number, ref: ChunkRef): ChunkReceipt {
    const facts = { fileId, index, chunkId: ref.id, sizeBytes: ref.sizeBytes };
    return { index, nodeId: this.nodeId, receipt: makeReceipt(this.#receiptKey, facts) };
  }

  handlers(): LinkHandlers {
    return {
      onRequest: async (request) => {
        try {
          await this.onServe(request.method);
          const answer = await this.#serve(request);
          this.served.push(request.method);
          return encodeMessage(answer.header, answer.body);
        } catch (error) {
          throw asWireError(error);
        }
      },
    };
  }

  async #serve(request: IncomingRequest): Promise<{ header: object; body?: Uint8Array }> {
    const { header, body } = decodeMessage<object>(request.body);
    switch (request.method) {
      case "chunk.store":
        return { header: this.#store(header as ChunkStoreRequest, body) };
      case "chunk.list":
        return this.#list(header as ChunkListRequest);
      case "chunk.heads":
        return { header: this.#heads(header as ChunkHeadsRequest) };
      case "chunk.delete":
        return { header: this.#delete(header as ChunkDeleteRequest) };
      case "chunk.copy":
        return { header: this.#copy(header as ChunkCopyRequest) };
      case "chunk.scrub":
        return { header: this.#scrub(header as ChunkScrubRequest) };
      default:
        throw new MeshError("MESH_FORBIDDEN", { message: request.method });
    }
  }

  #store(request: ChunkStoreRequest, body: Uint8Array): object {
    if (chunkIdOf([body]) !== request.id) throw new MeshError("MESH_CHUNK_MISMATCH");
    this.#keep(request, Buffer.from(body));
    return { stored: true };
  }

  /** As the pack store does: a chunk that is there keeps its first head. */
  #keep(request: ChunkStoreRequest, bytes: Uint8Array): void {
    const { id } = request;
    const atMs = this.#options.nowMs();
    if (!this.chunks.has(id)) {
      this.heads.set(id, { v: 1, ...request, atMs, sizeBytes: bytes.length });
    }
    this.chunks.set(id, bytes);
  }

  #heads({ ids }: ChunkHeadsRequest): object {
    return { heads: ids.flatMap((id) => (this.chunks.has(id) ? (this.heads.get(id) ?? []) : [])) };
  }

  #list({ after, limit }: ChunkListRequest): { header: object; body: Uint8Array } {
    const bounded = Math.min(limit, limits.CHUNK_IDS_PER_REQUEST_MAX);
    const ids = [...this.chunks.keys()].sort().filter((id) => after === undefined || id > after);
    const page = ids.slice(0, bounded);
    return {
      header: { count: page.length, more: ids.length > page.length },
      body: Buffer.from(page.join(""), "hex"),
    };
  }

  #scrub({ run }: ChunkScrubRequest): Partial<ChunkScrubResponse> {
    const before = this.passes;
    if (run === true) this.passes++;
    return { passes: before, missing: [] };
  }

  #delete({ ids }: ChunkDeleteRequest): object {
    return { deleted: ids.filter((id) => this.chunks.delete(id)).length };
  }

  #copy({ ticket, ids, sources }: ChunkCopyRequest): object {
    const { publicKeyDer, nowMs, peer } = this.#options;
    const copied: ChunkId[] = [];
    const failed: { id: ChunkId; error: unknown }[] = [];
    for (const id of ids) {
      const bytes = sources
        .map((source) => {
          const context = { nowMs: nowMs(), epoch: 1, holder: this.nodeId, node: source.nodeId };
          const { chunkIds } = verifyTicket(ticket, { ...context, publicKeyDer });
          return chunkIds?.includes(id) ? peer(source.nodeId)?.chunks.get(id) : undefined;
        })
        .find((found) => found !== undefined);
      if (bytes === undefined) {
        failed.push({ id, error: { code: "MESH_CHUNK_NOT_FOUND" } });
        continue;
      }
      this.chunks.set(id, bytes);
      copied.push(id);
    }
    return { copied, failed };
  }
}
