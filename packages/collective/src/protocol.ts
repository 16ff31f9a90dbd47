/**
 * The methods that travel over links, with the shapes of their headers. A message is
 * `u32 length of the JSON | JSON header | binary body` (see `codec.ts`). Every method has an entry
 * in a policy table at the side that serves it; a method without one is refused.
 *
 * Served by the coordinator to nodes: `node.*`. Served by it to anyone enrolled: `file.*`.
 * Served by storage nodes to ticket holders: `chunk.put`, `chunk.get` (streams). Served by storage
 * nodes to their coordinator only: `chunk.store`, `chunk.copy`, `chunk.list`, `chunk.heads`,
 * `chunk.delete`, `chunk.void`.
 */

import type { ChunkId, FileId, MemberId, NodeId } from "@hearthmesh/core";
import type { NodeRole } from "@hearthmesh/identity";
import type { CoordinatorContact } from "./authority/coordinators.js";
import type { WorkerSettings } from "./coordinator/workers/worker-definition.js";
import type { SeenMark } from "./storage/seen-mark.js";
import type { TicketVoid } from "./storage/ticket-voids.js";
import type {
  ChunkHeader,
  ChunkRef,
  Entry,
  Layout,
  NodeInfo,
  SignedTicket,
  StorageReport,
} from "./types.js";

/** `node.register`: the first thing that a node says on its link to the coordinator. */
export interface NodeRegisterRequest {
  roles: readonly NodeRole[];
  site: string;
  /** `host:port` of its link port, as it believes others can reach it. */
  addresses: readonly string[];
  version: string;
  report?: StorageReport;
  /** The furthest that the node has heard its coordinator be; see `seen-mark.ts`. */
  seen?: SeenMark;
}
export interface NodeRegisterResponse extends CoordinatorPlace {
  memberId: MemberId;
  layout: Layout;
  epoch: number;
  /** Base64url, 32 bytes: key of the receipts that this node gives for chunks on its disk. */
  receiptKey: string;
  reportIntervalMs: number;
  /** Tickets that were taken back while the node was away; see `chunk.void`. */
  voids?: readonly TicketVoid[];
  /** Every coordinator of the member; absent where there is one alone. */
  coordinators?: readonly CoordinatorContact[];
}

/** What every answer to a node says of the coordinator; an older one says nothing. */
export interface CoordinatorPlace {
  /** Its wall clock. */
  nowMs?: number;
  /** Of its store. */
  revision?: number;
  /** Names this run of it. */
  run?: string;
}

/** `node.report`: every few seconds. */
export interface NodeReportRequest {
  report: StorageReport;
}
export interface NodeReportResponse extends CoordinatorPlace {
  layoutVersion: number;
  epoch: number;
}

/**
 * A node's word that a chunk is on its disk: the first 16 bytes of HMAC-SHA-256 with its receipt
 * key over `fileId | index | chunkId | size` (see `receipts.ts`), base64url. A client passes it on
 * and cannot make one, so the coordinator knows what was really stored.
 */
export interface ChunkReceipt {
  index: number;
  nodeId: NodeId;
  receipt: string;
}

/**
 * `file.put`: a whole small file (`SMALL_FILE_BYTES_MAX`) in the body; the coordinator stores it.
 */
export interface FilePutRequest {
  path: string;
  /**
   * Fails with `MESH_PATH_CHANGED` unless the present etag is this; `*` any, `""` none (must not
   * exist).
   */
  ifMatch?: string;
}
export interface FilePutResponse {
  entry: Entry;
}

/** `file.begin`: opens an upload; nothing is visible before `file.commit`. */
export interface FileBeginRequest {
  path: string;
  ifMatch?: string;
}
export interface FileBeginResponse {
  fileId: FileId;
  chunkBytes: number;
  layout: Layout;
  /** Online storage nodes first. */
  nodes: readonly NodeInfo[];
  /** Distinct nodes whose receipts a chunk needs before it counts as written. */
  acksNeeded: number;
  /** For `chunk.put` at any node of the layout. Ask again with `file.ticket` before it ends. */
  ticket: SignedTicket;
  ticketNotAfterMs: number;
}
export interface FileTicketRequest {
  fileId: FileId;
}
export interface FileTicketResponse {
  layout: Layout;
  nodes: readonly NodeInfo[];
  acksNeeded: number;
  ticket: SignedTicket;
  ticketNotAfterMs: number;
}

/** `file.segment`: up to `MANIFEST_SEGMENT_CHUNKS_MAX` chunks, in order, each segment once. */
export interface FileSegmentRequest {
  fileId: FileId;
  segment: number;
  chunks: readonly ChunkRef[];
  receipts: readonly ChunkReceipt[];
}
export interface FileSegmentResponse {
  segment: number;
}

/**
 * `file.commit`: makes the file visible. `chunks` holds the chunks that no segment had (a short
 * file needs no `file.segment` at all).
 */
export interface FileCommitRequest {
  fileId: FileId;
  sizeBytes: number;
  segments: number;
  chunks: readonly ChunkRef[];
  receipts: readonly ChunkReceipt[];
}
export interface FileCommitResponse {
  entry: Entry;
}
export interface FileAbortRequest {
  fileId: FileId;
}

/** `file.open`: content of a file from a chunk on; inline bytes come in the body. */
export interface FileOpenRequest {
  path: string;
  firstChunk?: number;
  /** At most `MANIFEST_SEGMENT_CHUNKS_MAX`, which is also the default. */
  chunks?: number;
  /**
   * The etag of the first page: fails with `MESH_PATH_CHANGED` when the file was replaced since.
   */
  etag?: string;
}
export interface FileOpenResponse {
  entry: Entry;
  inline: boolean;
  chunkBytes: number;
  chunkCount: number;
  firstChunk: number;
  chunks: readonly ChunkRef[];
  layout: Layout;
  nodes: readonly NodeInfo[];
  /** For `chunk.get` of exactly these chunks; absent when there are none. */
  ticket?: SignedTicket;
}

/**
 * `file.recall`: bytes of a chunk that no storage node gave, from a friend's copy, at most
 * `RECALL_BYTES_MAX` from the offset; the caller checks the hash of the whole chunk.
 */
export interface FileRecallRequest {
  path: string;
  etag: string;
  chunk: number;
  offset: number;
}

export const DAMAGED_CHUNKS_PER_REPORT_MAX = 8;

/**
 * `file.damaged`: a storage node gave back chunks whose hash does not match, or said that its
 * copies are damaged. The ticket proves that the caller could read them there. Nothing is believed:
 * the coordinator reads them itself.
 */
export interface FileDamagedRequest {
  ticket: SignedTicket;
  nodeId: NodeId;
  /** At most `DAMAGED_CHUNKS_PER_REPORT_MAX`. */
  ids: readonly ChunkId[];
}
export interface FileDamagedResponse {
  /** Those that are read again; others wait already, or there is no room. */
  taken: number;
}

export interface FileStatRequest {
  path: string;
}
export interface FileStatResponse {
  entry: Entry;
}
export interface FileListRequest {
  path: string;
  /** Name after which to go on. */
  after?: string;
  limit?: number;
}
export interface FileListResponse {
  entries: readonly Entry[];
  more: boolean;
}
export interface FileMakeDirectoryRequest {
  path: string;
  /** Makes missing parents, and is content when the directory exists (`mkdir -p`). */
  parents?: boolean;
}
export interface FileMoveRequest {
  from: string;
  to: string;
  overwrite?: boolean;
}
export interface FileRemoveRequest {
  path: string;
  recursive?: boolean;
  /** It does not go to the trash. */
  permanent?: boolean;
  ifMatch?: string;
}
export interface FileRemoveResponse {
  removed: number;
}

/**
 * `chunk.put` (stream). The opening header is `ChunkPutOpen`. Then the client sends, for each
 * chunk, a message with header `ChunkPutItem` and the bytes as its body; the node answers each,
 * when it is durable, with `ChunkPutResult`. Several may be under way; answers may come in another
 * order.
 */
export interface ChunkPutOpen {
  ticket: SignedTicket;
}
export interface ChunkPutItem {
  index: number;
  id: ChunkId;
  sizeBytes: number;
}
export interface ChunkPutResult {
  index: number;
  receipt?: string;
  /** An `ErrorRecord` of core when this chunk was refused. */
  error?: unknown;
}

/**
 * `chunk.get` (stream). The node answers, for each id in the order asked, one message with header
 * `ChunkGetResult` and the bytes as body (empty with an error).
 */
export interface ChunkGetOpen {
  ticket: SignedTicket;
  ids: readonly ChunkId[];
}
export interface ChunkGetResult {
  id: ChunkId;
  sizeBytes: number;
  /** For `copy` tickets: what is stored in front of the chunk, so that the copy has it too. */
  header?: ChunkHeader;
  error?: unknown;
}

/** `chunk.store` (request, coordinator only): one small chunk in the body. */
export interface ChunkStoreRequest {
  fileId: FileId;
  index: number;
  id: ChunkId;
  owner: string;
}
export interface ChunkStoreResponse {
  stored: true;
}

/** `chunk.copy` (request, coordinator only): fetch these chunks from the sources and keep them. */
export interface ChunkCopyRequest {
  /** Read ticket (`copy`) whose holder is the node that copies. */
  ticket: SignedTicket;
  ids: readonly ChunkId[];
  /** Nodes to ask, in order, with their link addresses. */
  sources: readonly { nodeId: NodeId; addresses: readonly string[] }[];
}
export interface ChunkCopyResponse {
  copied: readonly ChunkId[];
  /** That were fetched for it; an older node does not say. */
  bytes?: number;
  failed: readonly { id: ChunkId; error: unknown }[];
  /** Copies of sources that were damaged, a bounded number; an older node does not say. */
  damaged?: readonly DamagedCopy[];
}

/** A node's copy of a chunk. */
export interface DamagedCopy {
  id: ChunkId;
  nodeId: NodeId;
}

/**
 * `chunk.list` (request, coordinator only): ids in ascending order; the body holds 32 bytes for
 * each.
 */
export interface ChunkListRequest {
  after?: ChunkId;
  limit: number;
}
export interface ChunkListResponse {
  count: number;
  more: boolean;
}

/**
 * `chunk.heads` (request, coordinator only): what stands in front of these chunks. The bytes are
 * read and verified; a chunk that is not there or damaged is left out.
 */
export interface ChunkHeadsRequest {
  ids: readonly ChunkId[];
}
export interface ChunkHeadsResponse {
  heads: readonly ChunkHeader[];
}

/** `chunk.scrub` (request, coordinator only): how far the node is with verifying its chunks. */
export interface ChunkScrubRequest {
  /** In force from now on. */
  settings?: WorkerSettings;
  /** A whole pass is to begin now. */
  run?: boolean;
}
export interface ChunkScrubResponse {
  /** A pass that was asked for is under way. */
  full: boolean;
  /** Passes that were asked for and have ended, since the node started. */
  passes: number;
  /** From 0 to 1, of the pass that is under way. */
  portion: number;
  passStartedAtMs: number;
  verified: number;
  damaged: number;
  bytes: number;
  lastPassAtMs?: number;
  /** Counts of the last pass that was asked for and ended. */
  lastFull?: { verified: number; damaged: number; bytes: number };
  /** Chunks that were found damaged and are not stored again yet. */
  missing: readonly ChunkId[];
}

/**
 * `chunk.void` (request, coordinator only): refuse tickets of these holders that were issued before
 * a moment, and end the streams that they have open.
 */
export interface ChunkVoidRequest {
  voids: readonly TicketVoid[];
  epoch: number;
}

/** `chunk.delete` (request, coordinator only). */
export interface ChunkDeleteRequest {
  ids: readonly ChunkId[];
  epoch: number;
}
export interface ChunkDeleteResponse {
  deleted: number;
}
