/**
 * The local copies of models below one directory, which belongs to one process. Copies that are not
 * in use go, the one that was used longest ago first, when there are more bytes than allowed or the
 * disk gets full.
 */
import { mkdir, readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import type { Clock } from "@hearthmesh/core";
import { MeshError } from "@hearthmesh/core";
import { chunkCountOf, digestOf, HASH_BYTES } from "./chunk-hasher.js";
import { diskError } from "./disk-errors.js";
import { MODEL_DISK_RESERVE_BYTES, MODELS_MAX } from "./limits.js";
import { LocalModel, localFiles, removeLocal, replaceFile } from "./local-model.js";
import type { DiskRoom } from "./model-files.js";
import { isHash, modelRecordBytes, parseModelRecord, type StoredModel } from "./model-record.js";

export interface LocalModelsOptions {
  readonly directory: string;
  readonly bytesMax: number;
  /** Models whose local copy an engine reads, or a pull writes: they never go. */
  readonly isInUse: (id: string) => boolean;
  readonly room: DiskRoom;
  readonly clock: Clock;
}

interface Copy {
  readonly model: StoredModel;
  readonly usedAtMs: number;
  readonly bytes: number;
}

export class LocalModels {
  readonly #options: LocalModelsOptions;
  readonly #open = new Map<string, Promise<LocalModel>>();
  #roomQueue: Promise<void> = Promise.resolve();
  #removed = 0;

  constructor(options: LocalModelsOptions) {
    this.#options = options;
  }

  /** Copies that went because there was no room. */
  get removedCount(): number {
    return this.#removed;
  }

  /** The copy of a model, made when there is none. `fetchHashes` is asked when they are missing. */
  open(model: StoredModel, fetchHashes: () => Promise<Uint8Array>): Promise<LocalModel> {
    const known = this.#open.get(model.id);
    if (known !== undefined) return known;
    const opening = this.#openAnew(model, fetchHashes);
    this.#open.set(model.id, opening);
    opening.catch(() => this.#open.delete(model.id));
    return opening;
  }

  async #openAnew(model: StoredModel, fetchHashes: () => Promise<Uint8Array>): Promise<LocalModel> {
    const { directory } = this.#options;
    const files = localFiles(directory, model.id);
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const chunks = chunkCountOf(model.sizeBytes);
      let hashes: Uint8Array | undefined = await readFile(files.hashes).catch(() => undefined);
      if (hashes === undefined || !fit(model, hashes, chunks)) {
        hashes = await fetchHashes();
        if (!fit(model, hashes, chunks)) {
          const message = `the hashes of ${model.name} are not those that its record speaks of`;
          throw new MeshError("MESH_MODEL_DAMAGED", { message });
        }
        await replaceFile(files.hashes, hashes);
      }
      await replaceFile(files.record, modelRecordBytes(model));
      return await LocalModel.open(directory, model, hashes, chunks);
    } catch (error) {
      throw diskError(error, files.content);
    }
  }

  /** A whole file that was verified becomes the local copy; it is moved, on the same disk. */
  async adopt(path: string, model: StoredModel, hashes: Uint8Array): Promise<void> {
    const files = localFiles(this.#options.directory, model.id);
    try {
      if (this.#open.has(model.id)) {
        await rm(path, { force: true });
        return;
      }
      await rename(path, files.content);
      const copy = await this.open(model, async () => hashes);
      await copy.note(Array.from({ length: chunkCountOf(model.sizeBytes) }, (_, index) => index));
    } catch (error) {
      throw diskError(error, files.content);
    }
  }

  async touch(id: string): Promise<void> {
    const seconds = this.#options.clock.nowMs() / 1000;
    const { record } = localFiles(this.#options.directory, id);
    await utimes(record, seconds, seconds).catch(() => undefined);
  }

  /** Records of the copies that are here, for when the collective cannot be reached. */
  async records(): Promise<StoredModel[]> {
    return (await this.#copies()).map(({ model }) => model);
  }

  /** Bytes on the disk of each copy. */
  async sizes(): Promise<ReadonlyMap<string, number>> {
    return new Map((await this.#copies()).map(({ model, bytes }) => [model.id, bytes]));
  }

  /** One after the other, so that two pulls do not both count the same room. */
  makeRoom(bytes: number, keepId: string): Promise<void> {
    const work = this.#roomQueue.then(() => this.#makeRoomNow(bytes, keepId));
    this.#roomQueue = work.catch(() => undefined);
    return work;
  }

  async #makeRoomNow(bytes: number, keepId: string): Promise<void> {
    const { bytesMax, isInUse, room, directory } = this.#options;
    const copies = await this.#copies();
    let used = copies.reduce((sum, copy) => sum + copy.bytes, 0);
    let free = await room.freeBytes(directory);
    const short = () => used + bytes > bytesMax || free - bytes < MODEL_DISK_RESERVE_BYTES;
    const idle = copies
      .filter(({ model }) => model.id !== keepId && !isInUse(model.id))
      .sort((a, b) => a.usedAtMs - b.usedAtMs);
    for (const copy of idle) {
      if (!short()) return;
      await this.remove(copy.model.id);
      this.#removed += 1;
      used -= copy.bytes;
      free = await room.freeBytes(directory);
    }
    if (!short()) return;
    const isLimit = used + bytes > bytesMax;
    throw new MeshError("MESH_DISK_FULL", {
      message: isLimit
        ? `${bytes} bytes of the model are missing, ${Math.max(0, bytesMax - used)} are allowed`
        : `${bytes} bytes of the model are missing, the disk of ${directory} has ${free} free`,
      hint: "Make room, raise `ai.modelCache`, or remove models with `mesh model rm`.",
    });
  }

  /** Removes the copy, whoever uses it: an engine that has it open keeps its bytes. */
  async remove(id: string): Promise<void> {
    const open = this.#open.get(id);
    this.#open.delete(id);
    await (await open?.catch(() => undefined))?.close().catch(() => undefined);
    await removeLocal(this.#options.directory, id);
  }

  async close(): Promise<void> {
    const open = [...this.#open.values()];
    this.#open.clear();
    for (const one of open) await (await one.catch(() => undefined))?.close();
  }

  async #copies(): Promise<Copy[]> {
    const { directory } = this.#options;
    const names = await readdir(directory).catch(() => []);
    const ids = names.flatMap((name) => {
      const id = name.endsWith(".record.json") ? name.slice(0, -".record.json".length) : "";
      return isHash(id) ? [id] : [];
    });
    const copies: Copy[] = [];
    for (const id of ids.slice(0, MODELS_MAX)) {
      const { content, record } = localFiles(directory, id);
      const bytes = await readFile(record).catch(() => undefined);
      const model = bytes === undefined ? undefined : parseModelRecord(bytes);
      const [used, sparse] = await Promise.all([stat(record), stat(content)]).catch(() => []);
      if (model?.id !== id || used === undefined || sparse === undefined) continue;
      copies.push({ model, usedAtMs: used.mtimeMs, bytes: sparse.blocks * 512 });
    }
    return copies;
  }
}

function fit(model: StoredModel, hashes: Uint8Array, chunks: number): boolean {
  return hashes.length === chunks * HASH_BYTES && digestOf(hashes) === model.hashes;
}
