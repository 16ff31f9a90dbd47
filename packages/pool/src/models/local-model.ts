/**
 * The local copy of one model: a sparse file of the model's size, the hashes of its chunks, and a
 * note of which chunks are there.
 *
 * A chunk is noted only after its bytes are on the disk, so a process that is killed forgets at
 * most what it wrote last. What a disk did to the bytes since is noticed as well: each chunk is
 * hashed once in the life of this object before it counts as there, and is fetched again when it
 * differs.
 */
import { type FileHandle, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isChunk } from "./chunk-hasher.js";
import { ChunkSet, chunkBytesAt } from "./chunk-set.js";
import { diskError } from "./disk-errors.js";
import { MODEL_CHUNK_BYTES } from "./limits.js";
import type { StoredModel } from "./model-record.js";

export interface LocalFiles {
  readonly content: string;
  readonly note: string;
  readonly hashes: string;
  readonly record: string;
}

export function localFiles(directory: string, id: string): LocalFiles {
  const at = (ending: string) => join(directory, `${id}.${ending}`);
  return {
    content: at("gguf"),
    note: at("chunks.json"),
    hashes: at("hashes"),
    record: at("record.json"),
  };
}

export class LocalModel {
  readonly model: StoredModel;
  readonly path: string;
  readonly #files: LocalFiles;
  readonly #file: FileHandle;
  readonly #hashes: Uint8Array;
  readonly #noted: ChunkSet;
  readonly #verified: ChunkSet;
  #damaged = 0;
  #noting: Promise<void> = Promise.resolve();

  private constructor(
    model: StoredModel,
    files: LocalFiles,
    file: FileHandle,
    hashes: Uint8Array,
    noted: ChunkSet,
  ) {
    this.model = model;
    this.path = files.content;
    this.#files = files;
    this.#file = file;
    this.#hashes = hashes;
    this.#noted = noted;
    this.#verified = new ChunkSet(noted.length);
  }

  /** `MESH_DISK_FULL`, `MESH_DISK_FAILED`. */
  static async open(
    directory: string,
    model: StoredModel,
    hashes: Uint8Array,
    chunks: number,
  ): Promise<LocalModel> {
    const files = localFiles(directory, model.id);
    try {
      const file = await openSparse(files.content, model.sizeBytes);
      const noted = (await readNote(files.note, model, chunks)) ?? new ChunkSet(chunks);
      return new LocalModel(model, files, file, hashes, noted);
    } catch (error) {
      throw diskError(error, files.content);
    }
  }

  /** Chunks that were found damaged since it was opened. */
  get damagedChunks(): number {
    return this.#damaged;
  }

  /** Bytes that are noted as there. */
  get presentBytes(): number {
    let bytes = 0;
    for (let index = 0; index < this.#noted.length; index++) {
      if (this.#noted.has(index)) bytes += chunkBytesAt(index, this.model.sizeBytes);
    }
    return bytes;
  }

  hasNoted(index: number): boolean {
    return this.#noted.has(index);
  }

  /** Whether the chunk is there and its bytes are the right ones. */
  async has(index: number): Promise<boolean> {
    if (!this.#noted.has(index)) return false;
    if (this.#verified.has(index)) return true;
    const bytes = Buffer.alloc(chunkBytesAt(index, this.model.sizeBytes));
    const { bytesRead } = await this.#file
      .read(bytes, 0, bytes.length, index * MODEL_CHUNK_BYTES)
      .catch(() => ({ bytesRead: 0 }));
    if (bytesRead === bytes.length && isChunk(this.#hashes, index, bytes)) {
      this.#verified.add(index);
      return true;
    }
    this.#damaged++;
    this.#noted.delete(index);
    return false;
  }

  /** Whether these are the bytes of the chunk; nothing is written. */
  isRight(index: number, bytes: Uint8Array): boolean {
    return isChunk(this.#hashes, index, bytes);
  }

  /** The bytes were held against the hash by `isRight`. To be followed by `note`. */
  async write(index: number, bytes: Uint8Array): Promise<void> {
    try {
      const at = index * MODEL_CHUNK_BYTES;
      for (let done = 0; done < bytes.length; ) {
        const left = bytes.length - done;
        done += (await this.#file.write(bytes, done, left, at + done)).bytesWritten;
      }
    } catch (error) {
      throw diskError(error, this.path);
    }
  }

  /** After `write`: waits for the disk, then notes that the chunks are there. */
  note(indexes: readonly number[]): Promise<void> {
    // One after the other: two runs of a pull replace the same file.
    const work = this.#noting.then(() => this.#note(indexes));
    this.#noting = work.catch(() => undefined);
    return work;
  }

  async #note(indexes: readonly number[]): Promise<void> {
    try {
      await this.#file.datasync();
      for (const index of indexes) {
        this.#noted.add(index);
        this.#verified.add(index);
      }
      const { id, sizeBytes } = this.model;
      const note = { v: 1, id, sizeBytes, chunks: this.#noted.toText() };
      await replaceFile(this.#files.note, `${JSON.stringify(note)}\n`);
    } catch (error) {
      throw diskError(error, this.path);
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** All files of a local copy; what is not there is no error. */
export async function removeLocal(directory: string, id: string): Promise<void> {
  const { content, note, hashes, record } = localFiles(directory, id);
  for (const path of [note, content, hashes, record]) await rm(path, { force: true });
}

export async function replaceFile(path: string, content: string | Uint8Array): Promise<void> {
  const part = `${path}.part`;
  await writeFile(part, content, { mode: 0o600 });
  await rename(part, path);
}

async function openSparse(path: string, sizeBytes: number): Promise<FileHandle> {
  const file = await open(path, "r+").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return open(path, "w+", 0o600);
    throw error;
  });
  try {
    if ((await file.stat()).size !== sizeBytes) await file.truncate(sizeBytes);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Undefined when there is none, or one of another file. */
async function readNote(
  path: string,
  model: StoredModel,
  chunks: number,
): Promise<ChunkSet | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const note = JSON.parse(text) as Record<string, unknown>;
    const { v, id, sizeBytes, chunks: bits } = note;
    const fits = v === 1 && id === model.id && sizeBytes === model.sizeBytes;
    return fits && typeof bits === "string" ? ChunkSet.parse(bits, chunks) : undefined;
  } catch {
    return undefined;
  }
}
