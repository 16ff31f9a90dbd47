/** The files of models in memory, with faults, and a library over them in a temporary folder. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MeshError, silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { ChunkHasher } from "../chunk-hasher.js";
import { CollectiveLibrary } from "../collective-library.js";
import { MODEL_CHUNK_BYTES } from "../limits.js";
import { LocalModels } from "../local-models.js";
import type { ModelFiles, ModelFilesWriter, StoredRecord } from "../model-files.js";
import { ModelImports } from "../model-imports.js";
import { modelRecordBytes, type StoredModel } from "../model-record.js";

interface Kept {
  content?: Uint8Array;
  hashes?: Uint8Array;
  record?: Uint8Array;
}

export class MemoryModels implements ModelFiles {
  readonly kept = new Map<string, Kept>();
  /** Chunks that were read, one entry for each time. */
  readonly chunksRead: number[] = [];
  /** Set: nothing can be reached. */
  isAway = false;
  /** How many reads break off after their first chunk. */
  breaks = 0;
  /** Reads wait for it. */
  gate: Promise<void> = Promise.resolve();
  readonly writer: ModelFilesWriter = {
    writeContent: async (name, source, onBytesSafe) => {
      const pieces: Uint8Array[] = [];
      for await (const piece of source) pieces.push(piece);
      const content = Buffer.concat(pieces);
      onBytesSafe(content.length);
      this.#at(name).content = content;
    },
    writeHashes: async (name, bytes) => {
      this.#at(name).hashes = bytes;
    },
    writeRecord: async (name, bytes) => {
      this.#at(name).record = bytes;
    },
    remove: async (name) => void this.kept.delete(name),
  };

  async records(): Promise<readonly StoredRecord[]> {
    this.#reach();
    return [...this.kept].flatMap(([name, { record }]) =>
      record === undefined ? [] : [{ name, bytes: record }],
    );
  }

  async hashes(name: string): Promise<Uint8Array> {
    this.#reach();
    return this.kept.get(name)?.hashes ?? new Uint8Array();
  }

  async read(name: string, from: number, to: number, signal: AbortSignal) {
    this.#reach();
    const content = this.kept.get(name)?.content;
    if (content === undefined) throw new MeshError("MESH_PATH_NOT_FOUND");
    return this.#stream(content, from, to, signal);
  }

  async *#stream(content: Uint8Array, from: number, to: number, signal: AbortSignal) {
    await this.gate;
    for (let at = from; at < to; at += MODEL_CHUNK_BYTES) {
      signal.throwIfAborted();
      this.chunksRead.push(at / MODEL_CHUNK_BYTES);
      const piece = content.subarray(at, Math.min(to, at + MODEL_CHUNK_BYTES));
      // In pieces of odd sizes, as a network gives them.
      yield piece.subarray(0, 1000);
      yield piece.subarray(1000);
      if (this.breaks > 0) {
        this.breaks -= 1;
        throw new MeshError("MESH_UNREACHABLE", { message: "the link broke" });
      }
    }
  }

  #at(name: string): Kept {
    const kept = this.kept.get(name) ?? {};
    this.kept.set(name, kept);
    return kept;
  }

  #reach(): void {
    if (this.isAway) throw new MeshError("MESH_UNREACHABLE", { message: "it is away" });
  }
}

/** Random content under a name, with a record whose shape is made up. */
export function putRandom(
  files: MemoryModels,
  name: string,
  sizeBytes: number,
  content: Uint8Array = randomBytes(sizeBytes),
): StoredModel {
  const hasher = new ChunkHasher();
  hasher.update(content);
  const { id, digest, chunks } = hasher.finish();
  const model: StoredModel = { ...RECORD, name, id, hashes: digest, sizeBytes: content.length };
  files.kept.set(name, { content, hashes: chunks, record: modelRecordBytes(model) });
  return model;
}

export const RECORD: StoredModel = {
  v: 1,
  name: "tiny",
  id: "0".repeat(64),
  hashes: "0".repeat(64),
  sizeBytes: 4096,
  headerBytes: 128,
  quantisation: "Q8_0",
  addedAtMs: 1_800_000_000_000,
  source: "file tiny.gguf",
  shape: {
    ...{ architecture: "llama", name: "tiny", layers: 2, embeddingWidth: 64, heads: 4 },
    ...{ kvHeads: 2, headWidth: 16, feedForwardWidth: 96, vocabularySize: 320 },
    ...{ contextTokensMax: 128, normEpsilon: 1e-5, hasAttentionBias: false },
    ...{ hasQueryKeyNorm: false, hasTiedOutput: true, feedForwardUnit: 32, kvHeadUnit: 1 },
    rope: { style: "interleaved", dimensions: 16, base: 10_000, scale: 1, hasFactors: false },
    weightBytes: 3968,
  },
};

export interface BedOptions {
  readonly bytesMax?: number;
  readonly freeBytes?: () => number;
  readonly isLoaded?: (id: string) => boolean;
  /** Another process on the same disk. */
  readonly directory?: string;
}

/** A node's models: what it keeps lies in a folder of its own until `remove`. */
export class ModelsBed {
  readonly files: MemoryModels;
  readonly directory: string;
  readonly local: LocalModels;
  readonly library: CollectiveLibrary;
  readonly imports: ModelImports;

  constructor(files = new MemoryModels(), options: BedOptions = {}) {
    this.files = files;
    this.directory = options.directory ?? mkdtempSync(join(tmpdir(), "hearthmesh-models-"));
    const tools = { clock: systemClock(), random: systemRandom(), log: silentLogger };
    this.local = new LocalModels({
      directory: this.directory,
      bytesMax: options.bytesMax ?? 2 ** 40,
      isInUse: (id) => options.isLoaded?.(id) === true || this.library.isWanted(id),
      room: { freeBytes: async () => options.freeBytes?.() ?? 2 ** 40 },
      clock: tools.clock,
    });
    this.library = new CollectiveLibrary({ files, local: this.local, demo: undefined, ...tools });
    this.imports = new ModelImports({
      ...{ directory: this.directory, library: this.library, local: this.local },
      ...{ writer: files.writer, request: (url, init) => fetch(url, init) },
      ...tools,
    });
  }

  async close(): Promise<void> {
    await this.imports.close();
    await this.local.close();
  }

  async remove(): Promise<void> {
    await this.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
