/**
 * Brings chunks back that no node of this home has any more, from a friend's copy. For readers at
 * once (`chunk`), and for the home itself (`mend`): a chunk that came back is put on a storage
 * node, from which repair makes the others.
 *
 * Whatever a friend gives is believed only when it opens with the store's key and the chunk has the
 * hash that the manifest names.
 */
import {
  type ChunkId,
  errorFields,
  type FileId,
  type Logger,
  limits,
  MeshError,
} from "@hearthmesh/core";
import type { Store } from "@hearthmesh/store";
import { Slots } from "../coordinator/gates.js";
import { fileOfReference, keys } from "../coordinator/keys.js";
import { decodeReference } from "../coordinator/records.js";
import type { Progress } from "../coordinator/workers/worker-definition.js";
import { chunkIdOf } from "../storage/blake3.js";
import type { CopyMaker, OpenCopyAtFriend } from "./copy-maker.js";
import type { CopyNotes } from "./copy-notes.js";
import type { KeptCopy } from "./copy-records.js";

const CHUNK_BYTES = limits.CHUNK_BYTES_MAX;
/** Copies that stay open between reads; the one used longest ago is closed. Two pieces each. */
const OPEN_COPIES_MAX = 8;
/** Whole chunks that are kept for the next part of them. */
const CHUNKS_HELD_MAX = 8;
const REFERENCES_MAX = 16;

export interface LostChunk {
  readonly fileId: FileId;
  readonly index: number;
  readonly id: ChunkId;
  readonly sizeBytes: number;
}

export interface RecallOptions {
  readonly store: Store;
  readonly notes: CopyNotes;
  readonly maker: CopyMaker;
  readonly log: Logger;
  /** Puts a chunk on a storage node of this home; the rest is a matter of repair. */
  restore(chunk: LostChunk, owner: string, bytes: Uint8Array): Promise<void>;
}

export class Recall {
  readonly #options: RecallOptions;
  readonly #open = new Map<string, Promise<OpenCopyAtFriend>>();
  readonly #chunks = new Map<ChunkId, Promise<Uint8Array>>();
  readonly #lost = new Set<ChunkId>();
  /** Many readers of lost files share the line to the friends, and the memory for pieces. */
  readonly #slots = new Slots(limits.COPIES_AT_A_TIME_MAX);
  /** Readers share what is under way, so no one of them may break it off. */
  readonly #stop = new AbortController();

  constructor(options: RecallOptions) {
    this.#options = options;
  }

  /** A walk found no copy of this chunk at home. */
  lost(id: ChunkId): boolean {
    if (this.#lost.size >= limits.CHUNKS_LOST_MAX) return false;
    this.#lost.add(id);
    return true;
  }

  stop(): void {
    this.#stop.abort(new MeshError("MESH_STOPPING"));
  }

  get waiting(): number {
    return this.#lost.size;
  }

  /** The bytes of a chunk. `MESH_CHUNK_UNAVAILABLE` when no friend gives them. */
  chunk(chunk: LostChunk): Promise<Uint8Array> {
    const known = this.#chunks.get(chunk.id);
    if (known !== undefined) return known;
    const reading = this.#slots.run(() => this.#read(chunk));
    this.#chunks.set(chunk.id, reading);
    reading.catch(() => this.#chunks.delete(chunk.id));
    for (const id of this.#chunks.keys()) {
      if (this.#chunks.size <= CHUNKS_HELD_MAX) break;
      this.#chunks.delete(id);
    }
    return reading;
  }

  /** Puts what was found lost back on nodes of this home. */
  async mend(signal: AbortSignal, progress: Progress): Promise<void> {
    for (const id of [...this.#lost]) {
      signal.throwIfAborted();
      this.#lost.delete(id);
      const mended = await this.#mendOne(id, signal, progress).catch((error: unknown) => {
        signal.throwIfAborted();
        this.#options.log.warn("a lost chunk could not be put back", errorFields(error));
        return false;
      });
      if (mended) progress.done(1);
      else progress.error(1);
    }
  }

  async #mendOne(id: ChunkId, signal: AbortSignal, progress: Progress): Promise<boolean> {
    const { store, log, notes, restore } = this.#options;
    const { entries } = await store.range(keys.referencesOf(id), { limit: REFERENCES_MAX });
    const reasons: unknown[] = [];
    for (const row of entries) {
      const chunk = { id, fileId: fileOfReference(row.key), ...decodeReference(row.value) };
      try {
        const bytes = await this.chunk(chunk);
        const kept = await notes.kept(chunk.fileId);
        await restore(chunk, kept?.record.owner ?? "", bytes);
        progress.bytes(bytes.length);
        await progress.pace(bytes.length);
        return true;
      } catch (error) {
        signal.throwIfAborted();
        reasons.push(error);
      }
    }
    const [first] = reasons;
    log.warn("no friend brought a lost chunk back", {
      count: reasons.length,
      ...errorFields(first),
    });
    return false;
  }

  async #read(chunk: LostChunk): Promise<Uint8Array> {
    const kept = await this.#options.notes.kept(chunk.fileId);
    const reasons: string[] = [];
    for (const copy of kept?.record.copies ?? []) {
      try {
        return await this.#readFrom(copy, chunk);
      } catch (error) {
        this.#stop.signal.throwIfAborted();
        this.#open.delete(openKey(chunk.fileId, copy));
        reasons.push(`${copy.member}: ${(error as Error).message}`);
      }
    }
    throw new MeshError("MESH_CHUNK_UNAVAILABLE", {
      message: `no friend gave a copy of a lost part (${reasons.join("; ") || "none has one"})`,
      details: { chunkId: chunk.id, chunkIndex: chunk.index },
    });
  }

  async #readFrom(
    copy: KeptCopy,
    { fileId, index, id, sizeBytes }: LostChunk,
  ): Promise<Uint8Array> {
    const open = await this.#opened(fileId, copy);
    const start = index * CHUNK_BYTES;
    const bytes = await open.read(start, start + sizeBytes);
    if (chunkIdOf([bytes]) === id) return bytes;
    throw new MeshError("MESH_COPY_DAMAGED", { message: "the copy holds another content" });
  }

  #opened(fileId: FileId, copy: KeptCopy): Promise<OpenCopyAtFriend> {
    const key = openKey(fileId, copy);
    const known = this.#open.get(key);
    this.#open.delete(key);
    const opened = known ?? this.#options.maker.open(fileId, copy, this.#stop.signal);
    this.#open.set(key, opened);
    opened.catch(() => this.#open.delete(key));
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= OPEN_COPIES_MAX) break;
      this.#open.delete(oldest);
    }
    return opened;
  }
}

function openKey(fileId: FileId, { member, madeAtMs }: KeptCopy): string {
  return `${fileId}/${member}/${madeAtMs}`;
}
