/**
 * The part of a storage node that answers over links: chunks in and out for whoever holds a ticket,
 * and the coordinator's orders. `node-access.ts` says who may call what.
 *
 * Errors leave as error records (`link-errors.ts`): `MESH_FORBIDDEN` for a method or caller that
 * the policy does not name, `MESH_LIMIT` when too much is under way, `MESH_TICKET_INVALID`,
 * `MESH_EPOCH_OLD`, `MESH_BAD_REQUEST`, `MESH_PROTOCOL`, and what the chunk store throws.
 */
import {
  asWireError,
  type ChunkId,
  type Clock,
  decodeMessage,
  encodeMessage,
  errorFields,
  isMeshError,
  type Logger,
  limits,
  MeshError,
  type Message,
  type NodeId,
  parseChunkId,
  parseFileId,
  type TrustDomain,
} from "@hearthmesh/core";
import type { IncomingRequest, Link, LinkHandlers, LinkStream } from "@hearthmesh/qwormhole";
import type {
  ChunkCopyRequest,
  ChunkDeleteRequest,
  ChunkDeleteResponse,
  ChunkHeadsRequest,
  ChunkHeadsResponse,
  ChunkListRequest,
  ChunkListResponse,
  ChunkScrubRequest,
  ChunkStoreRequest,
  ChunkStoreResponse,
  ChunkVoidRequest,
} from "../protocol.js";
import type { ChunkHeader, ChunkStore } from "../types.js";
import { ByteBudget } from "./byte-budget.js";
import { ChunkBuffers } from "./chunk-buffers.js";
import { type CopySource, copyChunks } from "./chunk-copy.js";
import { serveGetStream } from "./chunk-get-stream.js";
import { servePutStream } from "./chunk-put-stream.js";
import { CoordinatorTime } from "./coordinator-time.js";
import {
  NodeAccess,
  type Registration,
  STORAGE_METHODS,
  type StorageMethod,
} from "./node-access.js";
import { OpenStreams } from "./open-streams.js";
import type { Scrubber } from "./scrubber.js";
import { readTicketVoids, type TicketVoid } from "./ticket-voids.js";
import { UploadRoom } from "./upload-room.js";

/** Streams and requests that the node serves at the same time, for all its peers. */
const STREAMS_OPEN_MAX = 256;
const REQUESTS_OPEN_MAX = 128;
/** Between two files of one copy there is no stream. */
const BUSY_FOR_MS = 3_000;
const COPY_SOURCES_MAX = limits.REPLICAS_MAX;

export interface StorageNodeOptions {
  readonly nodeId: NodeId;
  readonly chunkStore: ChunkStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** An open link to another storage node; may be shared, is not closed here. */
  readonly dial: (source: CopySource) => Promise<Link>;
  /** When set, a coordinator of another trust domain is refused. */
  readonly trustDomain?: TrustDomain;
  /** Looks after the chunks; without it the node answers nothing about scrubbing. */
  readonly scrub?: Pick<Scrubber, "serve">;
  /** Kept by the agent of this node. Default: the own clock. */
  readonly time?: CoordinatorTime;
}

type Answer = Promise<readonly Uint8Array[]>;

export class StorageNode {
  /** To be given to every link that the node accepts or dials. */
  readonly handlers: LinkHandlers;
  readonly #options: StorageNodeOptions;
  readonly #access: NodeAccess;
  readonly #log: Logger;
  readonly #time: CoordinatorTime;
  readonly #intake = new ByteBudget(limits.CHUNK_INTAKE_BYTES_MAX, STREAMS_OPEN_MAX);
  readonly #buffers = new ChunkBuffers();
  readonly #room = new UploadRoom();
  readonly #streams = new OpenStreams();
  #usedMs = Number.NEGATIVE_INFINITY;
  #openRequests = 0;

  constructor(options: StorageNodeOptions) {
    this.#options = options;
    this.#log = options.log.child({ part: "storage-node" });
    const { nodeId, trustDomain, clock } = options;
    this.#time = options.time ?? new CoordinatorTime(clock);
    this.#access = new NodeAccess({
      nodeId,
      nowMs: () => this.#time.nowMs(),
      ...(trustDomain === undefined ? {} : { trustDomain }),
    });
    this.handlers = {
      onRequest: (request) => this.#onRequest(request),
      onStream: (stream) => this.#onStream(stream),
    };
  }

  /** True for the methods that belong to this part of a node. */
  static serves(method: string): boolean {
    return Object.hasOwn(STORAGE_METHODS, method);
  }

  get epoch(): number {
    return this.#access.epoch;
  }

  /** Chunks are asked for or stored, now or a moment ago. */
  get isBusy(): boolean {
    const sinceMs = this.#options.clock.monotonicMs() - this.#usedMs;
    return this.#streams.size > 0 || sinceMs < BUSY_FOR_MS;
  }

  /** Before the first registration every ticket is refused. */
  setRegistration(registration: Registration): void {
    this.#access.register(registration);
    this.#endStreams(registration.voids ?? []);
  }

  async #onStream(stream: LinkStream): Promise<void> {
    const { chunkStore } = this.#options;
    const served = this.#streams.add(stream);
    try {
      if (this.#streams.size > STREAMS_OPEN_MAX) throw busy();
      if (!this.#streams.hasRoomFor(stream)) throw busy();
      const method = this.#access.checkMethod(stream.method, "stream", stream.peer);
      const parts = {
        access: this.#access,
        chunkStore,
        intake: this.#intake,
        buffers: this.#buffers,
        room: this.#room,
        nowMs: () => this.#time.nowMs(),
      };
      if (method === "chunk.put") await servePutStream(parts, stream);
      else await serveGetStream(parts, stream);
      this.#log.debug("a stream was served", { method, nodeId: stream.peer.nodeId });
    } catch (error) {
      if (stream.signal.aborted) return;
      this.#logRefusal(stream.method, stream.peer.nodeId, error);
      throw asWireError(error);
    } finally {
      served();
      this.#usedMs = this.#options.clock.monotonicMs();
    }
  }

  async #onRequest(request: IncomingRequest): Promise<readonly Uint8Array[]> {
    this.#openRequests++;
    try {
      if (this.#openRequests > REQUESTS_OPEN_MAX) throw busy();
      const method = this.#access.checkMethod(request.method, "request", request.peer);
      const answer = await this.#serve(method, request);
      this.#log.debug("a request was served", { method, nodeId: request.peer.nodeId });
      return answer;
    } catch (error) {
      this.#logRefusal(request.method, request.peer.nodeId, error);
      throw asWireError(error);
    } finally {
      this.#openRequests--;
    }
  }

  #serve(method: StorageMethod, request: IncomingRequest): Answer {
    const message = decodeMessage(request.body);
    switch (method) {
      case "chunk.store":
        return this.#store(message as Message<ChunkStoreRequest>);
      case "chunk.copy":
        return this.#copy(message as Message<ChunkCopyRequest>, request.signal);
      case "chunk.list":
        return this.#list(message as Message<ChunkListRequest>);
      case "chunk.heads":
        return this.#heads(message as Message<ChunkHeadsRequest>);
      case "chunk.void":
        return this.#takeBack(message as Message<ChunkVoidRequest>);
      case "chunk.delete":
        return this.#delete(message as Message<ChunkDeleteRequest>);
      case "chunk.scrub":
        return this.#scrub(message as Message<ChunkScrubRequest>);
      default:
        throw new MeshError("MESH_FORBIDDEN");
    }
  }

  async #store({ header, body }: Message<ChunkStoreRequest>): Answer {
    this.#usedMs = this.#options.clock.monotonicMs();
    const { chunkStore } = this.#options;
    const id = parseChunkId(String(header.id));
    const fileId = parseFileId(String(header.fileId));
    const { index, owner } = header;
    if (typeof owner !== "string") throw badRequest("the chunk has no owner");
    const atMs = this.#time.nowMs();
    await chunkStore.put({ v: 1, id, fileId, index, owner, atMs, sizeBytes: body.length }, [body]);
    const answer: ChunkStoreResponse = { stored: true };
    return encodeMessage(answer);
  }

  async #copy({ header }: Message<ChunkCopyRequest>, signal: AbortSignal): Answer {
    const ids = checkIds(header.ids);
    const sources = Array.isArray(header.sources) ? header.sources : [];
    if (typeof header.ticket !== "string") throw badRequest("the order to copy has no ticket");
    if (sources.length > COPY_SOURCES_MAX) throw badRequest("the order names too many sources");
    const { chunkStore, dial } = this.#options;
    const order = { ticket: header.ticket, ids, sources };
    return encodeMessage(await copyChunks({ chunkStore, dial }, order, signal));
  }

  async #list({ header }: Message<ChunkListRequest>): Answer {
    const after = header.after === undefined ? undefined : parseChunkId(String(header.after));
    const asked = Number.isInteger(header.limit) ? header.limit : 0;
    const limit = Math.max(1, Math.min(asked, limits.CHUNK_IDS_PER_REQUEST_MAX));
    const ids = this.#options.chunkStore.list(after, limit + 1);
    const page = ids.slice(0, limit);
    const answer: ChunkListResponse = { count: page.length, more: ids.length > limit };
    return encodeMessage(answer, Buffer.from(page.join(""), "hex"));
  }

  async #heads({ header }: Message<ChunkHeadsRequest>): Answer {
    const heads: ChunkHeader[] = [];
    for (const id of checkIds(header.ids)) {
      try {
        heads.push((await this.#options.chunkStore.get(id)).header);
      } catch (error) {
        const isLost =
          isMeshError(error, "MESH_CHUNK_NOT_FOUND") || isMeshError(error, "MESH_CHUNK_MISMATCH");
        if (!isLost) throw error;
      }
    }
    const answer: ChunkHeadsResponse = { heads };
    return encodeMessage(answer);
  }

  async #scrub({ header }: Message<ChunkScrubRequest>): Answer {
    const { scrub } = this.#options;
    if (scrub === undefined) throw badRequest("this node does not verify its chunks");
    return encodeMessage(scrub.serve(header));
  }

  async #takeBack({ header }: Message<ChunkVoidRequest>): Answer {
    const voids = readTicketVoids(header.voids);
    this.#access.takeBack(voids, header.epoch);
    this.#endStreams(voids);
    return encodeMessage({});
  }

  #endStreams(voids: readonly TicketVoid[]): void {
    const count = this.#streams.end(voids);
    if (count > 0) this.#log.info("streams were cut: rights have changed", { count });
  }

  async #delete({ header }: Message<ChunkDeleteRequest>): Answer {
    const { chunkStore } = this.#options;
    const ids = checkIds(header.ids);
    this.#access.checkEpoch(header.epoch);
    const present = new Set(ids.filter((id) => chunkStore.has(id)));
    await chunkStore.delete(ids);
    const answer: ChunkDeleteResponse = { deleted: present.size };
    return encodeMessage(answer);
  }

  #logRefusal(method: string, nodeId: string, error: unknown): void {
    const fields = { method, nodeId, ...errorFields(error) };
    if (isMeshError(error)) this.#log.debug("a request was refused", fields);
    else this.#log.error("a request failed", fields);
  }
}

function checkIds(ids: unknown): readonly ChunkId[] {
  if (!Array.isArray(ids) || ids.length > limits.CHUNK_IDS_PER_REQUEST_MAX) {
    throw badRequest(`name up to ${limits.CHUNK_IDS_PER_REQUEST_MAX} chunks in one order`);
  }
  return ids.map((id) => parseChunkId(String(id)));
}

function badRequest(message: string): MeshError {
  return new MeshError("MESH_BAD_REQUEST", { message });
}

function busy(): MeshError {
  return new MeshError("MESH_LIMIT", {
    message: "this storage node serves as much as it can",
    hint: "Try again in a moment, or ask another replica.",
  });
}
