/** The requests that only the coordinator may make of a storage node, over the node's own link. */
import {
  type ChunkId,
  decodeMessage,
  encodeMessage,
  fromWireError,
  limits,
  MeshError,
  type Message,
  type NodeId,
  parseChunkId,
} from "@hearthmesh/core";
import type { Link, Priority } from "@hearthmesh/qwormhole";
import type {
  ChunkCopyRequest,
  ChunkCopyResponse,
  ChunkDeleteRequest,
  ChunkDeleteResponse,
  ChunkHeadsRequest,
  ChunkHeadsResponse,
  ChunkListRequest,
  ChunkListResponse,
  ChunkScrubRequest,
  ChunkScrubResponse,
  ChunkStoreRequest,
  ChunkVoidRequest,
  DamagedCopy,
} from "../protocol.js";
import type { ChunkHeader } from "../types.js";

const STORE_TIMEOUT_MS = 5_000;
const LIST_TIMEOUT_MS = 15_000;
/** A batch of whole chunks is read and verified. */
const HEADS_TIMEOUT_MS = 60_000;
const DELETE_TIMEOUT_MS = 30_000;
/** A batch of `REPAIR_BATCH_CHUNKS_MAX` chunks at 256 KiB/s. */
const COPY_TIMEOUT_MS = 120_000;
const ID_BYTES = 32;

export interface ChunkPage {
  readonly ids: readonly ChunkId[];
  readonly more: boolean;
}

export function storeMessage(request: ChunkStoreRequest, bytes: Uint8Array): Uint8Array[] {
  return encodeMessage(request, bytes);
}

/** Every method throws a `MeshError`: the node's own, or `MESH_UNREACHABLE`, `MESH_TIMEOUT`. */
export class NodeCalls {
  readonly #linkOf: (nodeId: NodeId) => Link | undefined;
  readonly #onDamagedSource: (copy: DamagedCopy) => void;

  /** A node that copies says which copies of its sources are damaged. */
  constructor(
    linkOf: (nodeId: NodeId) => Link | undefined,
    onDamagedSource: (copy: DamagedCopy) => void = () => undefined,
  ) {
    this.#linkOf = linkOf;
    this.#onDamagedSource = onDamagedSource;
  }

  /** `message` is made by `storeMessage`, once for all the nodes that get the chunk. */
  async store(nodeId: NodeId, message: readonly Uint8Array[]): Promise<void> {
    await this.#request(nodeId, "chunk.store", message, STORE_TIMEOUT_MS, "rpc");
  }

  async copy(nodeId: NodeId, request: ChunkCopyRequest): Promise<ChunkCopyResponse> {
    const message = encodeMessage(request);
    const answer = await this.#request(nodeId, "chunk.copy", message, COPY_TIMEOUT_MS, "bulk");
    const header = answer.header as Partial<ChunkCopyResponse>;
    for (const copy of damagedOf(header, request)) this.#onDamagedSource(copy);
    return {
      copied: Array.isArray(header.copied) ? header.copied : [],
      failed: Array.isArray(header.failed) ? header.failed : [],
      ...(isCount(header.bytes) ? { bytes: header.bytes } : {}),
    };
  }

  /** Ids after `after`, ascending. */
  async list(
    nodeId: NodeId,
    after: ChunkId | undefined,
    limit: number = limits.CHUNK_IDS_PER_REQUEST_MAX,
  ): Promise<ChunkPage> {
    const request: ChunkListRequest = after === undefined ? { limit } : { after, limit };
    const message = encodeMessage(request);
    const answer = await this.#request(nodeId, "chunk.list", message, LIST_TIMEOUT_MS, "bulk");
    const { more } = answer.header as Partial<ChunkListResponse>;
    const ids = readIds(answer.body, after);
    return { ids, more: more === true && ids.length > 0 };
  }

  /** Whether the node has the chunk at this moment. */
  async has(nodeId: NodeId, id: ChunkId): Promise<boolean> {
    const page = await this.list(nodeId, idBefore(id), 1);
    return page.ids[0] === id;
  }

  /** Tells whose tickets are to be refused from now on. */
  async void(nodeId: NodeId, request: ChunkVoidRequest): Promise<void> {
    const message = encodeMessage(request);
    await this.#request(nodeId, "chunk.void", message, STORE_TIMEOUT_MS, "control");
  }

  /** What stands in front of those of the chunks that the node has and can read. */
  async heads(nodeId: NodeId, ids: readonly ChunkId[]): Promise<readonly ChunkHeader[]> {
    const message = encodeMessage({ ids } satisfies ChunkHeadsRequest);
    const answer = await this.#request(nodeId, "chunk.heads", message, HEADS_TIMEOUT_MS, "bulk");
    const { heads } = answer.header as Partial<Record<keyof ChunkHeadsResponse, unknown>>;
    return Array.isArray(heads) ? heads.filter(isHead).filter(({ id }) => ids.includes(id)) : [];
  }

  /** How far the node is with verifying its chunks. */
  async scrub(nodeId: NodeId, request: ChunkScrubRequest): Promise<ChunkScrubResponse> {
    const message = encodeMessage(request);
    const answer = await this.#request(nodeId, "chunk.scrub", message, LIST_TIMEOUT_MS, "bulk");
    return readScrub(answer.header);
  }

  /** Resolves to how many the node had. */
  async delete(nodeId: NodeId, request: ChunkDeleteRequest): Promise<number> {
    const message = encodeMessage(request);
    const answer = await this.#request(nodeId, "chunk.delete", message, DELETE_TIMEOUT_MS, "bulk");
    const { deleted } = answer.header as Partial<ChunkDeleteResponse>;
    return typeof deleted === "number" ? deleted : 0;
  }

  async #request(
    nodeId: NodeId,
    method: string,
    message: readonly Uint8Array[],
    timeoutMs: number,
    priority: Priority,
  ): Promise<Message<object>> {
    const link = this.#linkOf(nodeId);
    if (link === undefined) {
      throw new MeshError("MESH_UNREACHABLE", { message: "the node is not connected" });
    }
    try {
      return decodeMessage<object>(await link.request(method, message, { timeoutMs, priority }));
    } catch (error) {
      throw fromWireError(error);
    }
  }
}

/** A node is a machine of this member, but its word still has to be of the form. */
function isHead(value: unknown): value is ChunkHeader {
  const head = (value ?? {}) as Partial<Record<keyof ChunkHeader, unknown>>;
  const { id, fileId, index, owner, atMs, sizeBytes } = head;
  return (
    typeof id === "string" &&
    typeof fileId === "string" &&
    /^[0-9a-f]{32}$/.test(fileId) &&
    typeof owner === "string" &&
    typeof atMs === "number" &&
    isCount(index) &&
    isCount(sizeBytes) &&
    sizeBytes <= limits.CHUNK_BYTES_MAX
  );
}

/** Only what it was told to copy, from where it was told to. */
function damagedOf(
  { damaged }: Partial<ChunkCopyResponse>,
  { ids, sources }: ChunkCopyRequest,
): DamagedCopy[] {
  if (!Array.isArray(damaged)) return [];
  return damaged
    .slice(0, limits.REPAIR_BATCH_CHUNKS_MAX)
    .map((copy: Partial<DamagedCopy> | null) => ({
      id: ids.find((id) => id === copy?.id),
      nodeId: sources.find(({ nodeId }) => nodeId === copy?.nodeId)?.nodeId,
    }))
    .filter((copy): copy is DamagedCopy => copy.id !== undefined && copy.nodeId !== undefined);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/** Counts that are none are 0: they are shown, and nothing is decided by them. */
function readScrub(header: object): ChunkScrubResponse {
  const said = header as Partial<ChunkScrubResponse>;
  const { full, lastFull, lastPassAtMs, missing } = said;
  const count = (value: unknown) => (typeof value === "number" && value >= 0 ? value : 0);
  const counts = (from: Partial<NonNullable<typeof lastFull>>) => ({
    verified: count(from.verified),
    damaged: count(from.damaged),
    bytes: count(from.bytes),
  });
  return {
    full: full === true,
    passes: count(said.passes),
    portion: Math.min(1, count(said.portion)),
    passStartedAtMs: count(said.passStartedAtMs),
    ...counts(said),
    ...(lastPassAtMs === undefined ? {} : { lastPassAtMs: count(lastPassAtMs) }),
    ...(typeof lastFull === "object" && lastFull !== null ? { lastFull: counts(lastFull) } : {}),
    missing: (Array.isArray(missing) ? missing : [])
      .slice(0, limits.SCRUB_DAMAGED_NAMED_MAX)
      .map((id) => parseChunkId(String(id))),
  };
}

/** The id right before this one; undefined before the first. */
function idBefore(id: ChunkId): ChunkId | undefined {
  const value = BigInt(`0x${id}`);
  if (value === 0n) return undefined;
  return (value - 1n).toString(16).padStart(2 * ID_BYTES, "0") as ChunkId;
}

/** Checks the order: a node that repeats itself would keep a walk busy for ever. */
function readIds(body: Uint8Array, after: ChunkId | undefined): ChunkId[] {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const ids: ChunkId[] = [];
  let last: string = after ?? "";
  for (let at = 0; at + ID_BYTES <= bytes.length; at += ID_BYTES) {
    const id = bytes.toString("hex", at, at + ID_BYTES);
    if (id <= last) {
      throw new MeshError("MESH_PROTOCOL", { message: "the node's chunk list is out of order" });
    }
    last = id;
    ids.push(id as ChunkId);
  }
  return ids;
}
