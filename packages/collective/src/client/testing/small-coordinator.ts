/** A coordinator for tests: keeps manifests in memory and checks what the real one would check. */
import { type FileId, limits, MeshError } from "@hearthmesh/core";
import { isDurable } from "../../coordinator/durability.js";
import type {
  ChunkReceipt,
  FileBeginResponse,
  FileCommitRequest,
  FileOpenRequest,
  FileOpenResponse,
  FileSegmentRequest,
} from "../../protocol.js";
import type { ChunkRef, Entry, Layout } from "../../types.js";
import type { CoordinatorPort } from "../ports.js";
import type { SmallNode } from "./small-node.js";

interface StoredFile {
  entry: Entry;
  chunks: ChunkRef[];
  receipts: ChunkReceipt[];
  inline?: Uint8Array;
}

interface OpenUpload {
  path: string;
  chunks: ChunkRef[];
  receipts: ChunkReceipt[];
  segments: number;
}

export class SmallCoordinator implements CoordinatorPort {
  readonly files = new Map<string, StoredFile>();
  readonly uploads = new Map<string, OpenUpload>();
  readonly calls: string[] = [];
  /** Called before each method; may throw. */
  onCall: (method: string, attempt: number) => void = () => undefined;
  acksNeeded = 2;
  replicas = 3;
  site: (node: SmallNode) => string = () => "home";
  #nextFile = 1;
  #tickets = 0;

  constructor(readonly nodes: readonly SmallNode[]) {}

  get layout(): Layout {
    return {
      v: 1,
      version: 1,
      replicas: this.replicas,
      nodes: this.nodes.map((node) => ({
        nodeId: node.nodeId,
        name: node.name,
        zone: { memberId: node.info.memberId, site: this.site(node) },
        capacityBytes: 1 << 30,
      })),
    };
  }

  async call(
    method: string,
    header: object,
    body: Uint8Array = new Uint8Array(0),
  ): Promise<{ header: object; body: Uint8Array }> {
    this.calls.push(method);
    this.onCall(method, this.calls.filter((one) => one === method).length);
    const empty = new Uint8Array(0);
    switch (method) {
      case "file.put":
        return {
          header: { entry: this.#put((header as { path: string }).path, body) },
          body: empty,
        };
      case "file.begin":
        return { header: this.#begin((header as { path: string }).path), body: empty };
      case "file.ticket":
        return { header: this.#grant((header as { fileId: FileId }).fileId), body: empty };
      case "file.segment":
        return { header: this.#segment(header as FileSegmentRequest), body: empty };
      case "file.commit":
        return { header: this.#commit(header as FileCommitRequest), body: empty };
      case "file.abort":
        this.uploads.delete((header as { fileId: FileId }).fileId);
        return { header: {}, body: empty };
      case "file.open":
        return this.#open(header as FileOpenRequest);
      case "file.stat":
        return {
          header: { entry: this.#file((header as { path: string }).path).entry },
          body: empty,
        };
      default:
        throw new MeshError("MESH_NOT_FOUND", { message: method });
    }
  }

  #put(path: string, inline: Uint8Array): Entry {
    const entry = this.#entry(path, this.#newId(), inline.length);
    this.files.set(path, { entry, chunks: [], receipts: [], inline: Buffer.from(inline) });
    return entry;
  }

  #begin(path: string): FileBeginResponse {
    const fileId = this.#newId();
    this.uploads.set(fileId, { path, chunks: [], receipts: [], segments: 0 });
    return { fileId, chunkBytes: limits.CHUNK_BYTES_MAX, ...this.#grant(fileId) };
  }

  #grant(fileId: FileId) {
    return {
      layout: this.layout,
      nodes: this.nodes.map((node) => node.info),
      acksNeeded: this.acksNeeded,
      ticket: `write-${fileId}-${++this.#tickets}`,
      ticketNotAfterMs: 0,
    };
  }

  #segment(request: FileSegmentRequest): object {
    const upload = this.#upload(request.fileId);
    if (request.segment < upload.segments) return { segment: request.segment };
    if (request.segment !== upload.segments) throw new MeshError("MESH_BAD_REQUEST");
    upload.segments++;
    upload.chunks.push(...request.chunks);
    upload.receipts.push(...request.receipts);
    return { segment: request.segment };
  }

  #commit(request: FileCommitRequest): object {
    const upload = this.#upload(request.fileId);
    const chunks = [...upload.chunks, ...request.chunks];
    const receipts = [...upload.receipts, ...request.receipts];
    this.#checkDurable(chunks, receipts);
    const sizeBytes = chunks.reduce((sum, chunk) => sum + chunk.sizeBytes, 0);
    if (sizeBytes !== request.sizeBytes) throw new MeshError("MESH_BAD_REQUEST");
    this.uploads.delete(request.fileId);
    const entry = this.#entry(upload.path, request.fileId, sizeBytes);
    this.files.set(upload.path, { entry, chunks, receipts });
    return { entry };
  }

  /** The rule of the real coordinator; every receipt must name a chunk that the node really has. */
  #checkDurable(chunks: readonly ChunkRef[], receipts: readonly ChunkReceipt[]): void {
    const online = this.nodes.filter((node) => node.state === "online").map((node) => node.nodeId);
    chunks.forEach((chunk, index) => {
      const mine = receipts.filter((receipt) => receipt.index === index);
      for (const { nodeId } of mine) {
        const node = this.nodes.find((one) => one.nodeId === nodeId);
        if (node?.chunks.has(chunk.id) !== true) throw new Error("a receipt for nothing");
      }
      const stored = new Set(mine.map((receipt) => receipt.nodeId));
      if (isDurable({ layout: this.layout, acks: this.acksNeeded, online }, stored)) return;
      throw new MeshError("MESH_NO_STORAGE", { message: `part ${index} is not safe` });
    });
  }

  #open(request: FileOpenRequest): { header: object; body: Uint8Array } {
    const file = this.#file(request.path);
    if (request.etag !== undefined && request.etag !== file.entry.etag) {
      throw new MeshError("MESH_PATH_CHANGED");
    }
    const firstChunk = request.firstChunk ?? 0;
    const count = request.chunks ?? limits.MANIFEST_SEGMENT_CHUNKS_MAX;
    const header: FileOpenResponse = {
      entry: file.entry,
      inline: file.inline !== undefined,
      chunkBytes: limits.CHUNK_BYTES_MAX,
      chunkCount: file.chunks.length,
      firstChunk,
      chunks: file.chunks.slice(firstChunk, firstChunk + count),
      layout: this.layout,
      nodes: this.nodes.map((node) => node.info),
      ticket: `read-${++this.#tickets}`,
    };
    return { header, body: file.inline ?? new Uint8Array(0) };
  }

  #file(path: string): StoredFile {
    const file = this.files.get(path);
    if (file === undefined) throw new MeshError("MESH_PATH_NOT_FOUND", { message: path });
    return file;
  }

  #upload(fileId: string): OpenUpload {
    const upload = this.uploads.get(fileId);
    if (upload === undefined) throw new MeshError("MESH_UPLOAD_UNKNOWN");
    return upload;
  }

  #newId(): FileId {
    return String(this.#nextFile++).padStart(32, "0") as FileId;
  }

  #entry(path: string, fileId: FileId, sizeBytes: number): Entry {
    const name = path.split("/").at(-1) ?? "";
    const times = { createdAtMs: 0, modifiedAtMs: 0 };
    return { path, name, kind: "file", fileId, sizeBytes, ...times, owner: "", etag: fileId };
  }
}
