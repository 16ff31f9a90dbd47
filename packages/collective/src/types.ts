/** The shapes that the coordinator, storage nodes and clients share. Persisted ones carry `v`. */
import type { ChunkId, FileId, MemberId, NodeId } from "@hearthmesh/core";
import type { NodeRole } from "@hearthmesh/identity";

/** A failure domain tree: replicas prefer distinct members, then sites, then nodes. */
export interface Zone {
  readonly memberId: MemberId;
  readonly site: string;
}

export interface LayoutNode {
  readonly nodeId: NodeId;
  readonly name: string;
  readonly zone: Zone;
  /** Weight in placement. 0: it is given nothing, and what it has goes to the others. */
  readonly capacityBytes: number;
  /** What the operator decided, and the node's own word does not change. */
  readonly chosen?: readonly ("capacity" | "site")[];
  /** While it drains: the capacity that it had, and gets back with `undrain`. */
  readonly drainingFromBytes?: number;
  /** While less is asked of it than it offers, because its disk is filling: what it offers. */
  readonly easedFromBytes?: number;
  /** Set when it drains because it gave back damaged chunks. */
  readonly quarantined?: Quarantine;
}

export interface Quarantine {
  /** Of the coordinator's wall clock, for people. */
  readonly atMs: number;
  /** Whole scrubs that the node had ended when it was asked for one more. */
  readonly passes: number;
  /** It gave wrong bytes for good ones: what its own scrub says is no proof that it is well. */
  readonly isUntrusted?: true;
}

/** Who keeps what. Placement is computed from it, never looked up. */
export interface Layout {
  readonly v: 1;
  readonly version: number;
  readonly replicas: number;
  /** Set when the operator chose the replicas: then the configuration's number does not count. */
  readonly replicasChosen?: true;
  /** Copies before a write is answered, when the operator chose them. */
  readonly acks?: number;
  readonly nodes: readonly LayoutNode[];
  /** Storage nodes that the operator took out: they do not join again by themselves. */
  readonly left?: readonly NodeId[];
}

/** A chunk as a manifest names it. */
export interface ChunkRef {
  readonly id: ChunkId;
  readonly sizeBytes: number;
}

export type EntryKind = "file" | "directory";

/** A directory entry, without a file's content. */
export interface Entry {
  readonly path: string;
  readonly name: string;
  readonly kind: EntryKind;
  readonly fileId: FileId;
  readonly sizeBytes: number;
  readonly createdAtMs: number;
  readonly modifiedAtMs: number;
  /** SPIFFE id of who wrote it last. */
  readonly owner: string;
  /** For `If-Match`: changes with every write. */
  readonly etag: string;
}

/** Where the bytes of a file are: inline, or chunks (all of them, or a page of segments). */
export interface FileContent {
  readonly entry: Entry;
  readonly inline?: Uint8Array;
  readonly chunkBytes: number;
  readonly chunks: readonly ChunkRef[];
  /** Index of the first chunk in `chunks`. */
  readonly firstChunk: number;
  /** Chunks in the whole file. */
  readonly chunkCount: number;
}

/** A storage node as clients see it. */
export interface NodeInfo {
  readonly nodeId: NodeId;
  readonly name: string;
  readonly memberId: MemberId;
  readonly roles: readonly NodeRole[];
  /** Link addresses, best first: `host:port`. */
  readonly addresses: readonly string[];
  readonly version: string;
  /** `drained`: it has nothing any more that a file needs. */
  readonly state: "online" | "offline" | "draining" | "drained";
  /** While it drains: chunks that it still has to give away. Absent until they were counted. */
  readonly drainChunksLeft?: number;
  readonly lastSeenMs: number;
  /** How long it has been away, or the coordinator has waited for it; absent while it is there. */
  readonly awayMs?: number;
  /** It has been away for so long that others take over its chunks. */
  readonly isLost?: true;
  /** It drains because it gave back damaged chunks. */
  readonly isQuarantined?: true;
  /** Absent when nobody else found a damaged copy there within the last day. */
  readonly damageSeen?: DamageSeen;
  /** Undefined until the node has reported. */
  readonly storage?: StorageReport;
}

/** Damaged chunks of a node that the coordinator itself read there within the last day. */
export interface DamageSeen {
  readonly chunks: number;
  /** Of these, those that the node gave as if they were whole. */
  readonly wrong: number;
  /** Of those that the node tells of itself: what a person knew who took it back. */
  readonly forgiven?: number;
}

/** What a storage node says about itself every few seconds. */
export interface StorageReport {
  readonly capacityBytes: number;
  readonly usedBytes: number;
  readonly freeBytes: number;
  readonly chunkCount: number;
  readonly corruptChunks: number;
  /** Chunks that were found damaged within the last day and are not read again since. */
  readonly corruptLastDay?: number;
  /** Whole scrubs that were asked for since the node started, and what the last one found. */
  readonly scrub?: {
    readonly passes: number;
    readonly verified: number;
    readonly damaged: number;
  };
  /** Pack files that the disk does not give now, when there are any: their chunks are missing. */
  readonly unreadablePacks?: number;
  /** Set when the node does not take new chunks, with the reason. */
  readonly readOnly?: string;
}

/** What a ticket allows its holder at the storage nodes it names. */
export interface Ticket {
  readonly v: 1;
  readonly operation: "write" | "read" | "copy";
  /** Key hash of the holder: it must be the peer of the link. */
  readonly holder: NodeId;
  readonly nodes: readonly NodeId[];
  /** For `write`: the file that the chunks belong to, and its owner (SPIFFE id). */
  readonly fileId?: FileId;
  readonly owner?: string;
  /** For `write`: chunks with an index in [first, first + count) of that file. */
  readonly firstChunk?: number;
  readonly chunkCount?: number;
  /** For `read` and `copy`: these chunks only. */
  readonly chunkIds?: readonly ChunkId[];
  readonly epoch: number;
  /** By the coordinator's ticket clock, which never goes back within an epoch; see `chunk.void`. */
  readonly issuedAtMs?: number;
  /** Never later than the right for which it was given. */
  readonly notAfterMs: number;
}

/** Base64url of canonical JSON, a dot, base64url of the coordinator's signature. */
export type SignedTicket = string;

/** Stored in front of every chunk, so that the namespace can be rebuilt from the nodes alone. */
export interface ChunkHeader {
  readonly v: 1;
  readonly id: ChunkId;
  readonly fileId: FileId;
  readonly index: number;
  readonly owner: string;
  readonly atMs: number;
  readonly sizeBytes: number;
}

/** The local store of chunks that a storage node keeps. */
/** A buffer of at least so many bytes to read into; undefined: the store makes one. */
export type BufferFor = (bytes: number) => Uint8Array | undefined;

export interface ChunkStore {
  /** Resolves when the chunk is on disk for good. The bytes must match `header.id`. */
  put(header: ChunkHeader, pieces: readonly Uint8Array[]): Promise<void>;
  /**
   * Verified on the way out. `MESH_CHUNK_NOT_FOUND`, or `MESH_CHUNK_MISMATCH` when it is damaged.
   * With `bufferFor` the bytes may lie in the buffer that it gave, which is in use until then.
   */
  get(id: ChunkId, bufferFor?: BufferFor): Promise<{ header: ChunkHeader; bytes: Uint8Array }>;
  has(id: ChunkId): boolean;
  delete(ids: readonly ChunkId[]): Promise<void>;
  /** Ids after `after` in ascending order, at most `limit`. */
  list(after: ChunkId | undefined, limit: number): readonly ChunkId[];
  report(): Promise<StorageReport>;
  close(): Promise<void>;
}
