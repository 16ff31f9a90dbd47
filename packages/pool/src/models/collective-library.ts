/**
 * The models of a member: records and content in the collective, local copies of what this node
 * needs. While the collective cannot be reached, what was seen last and what lies here still works.
 */
import { errorFields, type Logger, MeshError } from "@hearthmesh/core";
import type { Shard } from "../shards/shard.js";
import { chunkCountOf, HASH_BYTES } from "./chunk-hasher.js";
import { chunkBytesAt, chunksOf } from "./chunk-set.js";
import {
  COLLECTIVE_LIST_MS_MAX,
  COLLECTIVE_PAUSE_MS,
  MODEL_RANGE_GAP_BYTES,
  MODEL_RANGES_MAX,
  MODELS_MAX,
} from "./limits.js";
import type { LocalModel } from "./local-model.js";
import type { LocalModels } from "./local-models.js";
import type { ModelFiles } from "./model-files.js";
import type { ByteRange, ModelLibrary, ModelRecord, PullProgress } from "./model-library.js";
import { ModelPull, type PullOptions } from "./model-pull.js";
import { isModelName, parseModelRecord, type StoredModel } from "./model-record.js";
import { boundedRanges, rangesOfFile } from "./shard-ranges.js";

export interface CollectiveLibraryOptions extends Pick<PullOptions, "clock"> {
  readonly files: ModelFiles;
  readonly local: LocalModels;
  /** Comes with the program, at this path. */
  readonly demo: { readonly model: StoredModel; readonly path: string } | undefined;
  readonly log: Logger;
}

export interface LibraryStats {
  /** Fetched from the collective since the start. */
  readonly pulledBytes: number;
  /** Local copies that went because there was no room. */
  readonly removedCopies: number;
}

/** An id may be shortened to so many digits. */
const ID_PREFIX_LENGTH_MIN = 8;

export class CollectiveLibrary implements ModelLibrary {
  readonly #options: CollectiveLibraryOptions;
  readonly #pulls = new Map<string, Promise<ModelPull>>();
  /** How many wait for a local copy, by id. */
  readonly #wanted = new Map<string, number>();
  #known: readonly StoredModel[] | undefined;
  /** The collective did not answer a moment ago. */
  #awayUntilMs = 0;
  #pulledBytes = 0;

  constructor(options: CollectiveLibraryOptions) {
    this.#options = options;
  }

  get stats(): LibraryStats {
    return {
      pulledBytes: this.#pulledBytes,
      removedCopies: this.#options.local.removedCount,
    };
  }

  async list(signal: AbortSignal): Promise<readonly StoredModel[]> {
    const { demo } = this.#options;
    const stored = (await this.#stored(signal)).filter(({ name }) => name !== demo?.model.name);
    const all = demo === undefined ? stored : [demo.model, ...stored];
    return [...all].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async get(nameOrId: string, signal: AbortSignal): Promise<StoredModel> {
    const { demo } = this.#options;
    // The demo model needs nothing of the collective, so it is not asked.
    if (nameOrId === demo?.model.name || nameOrId === demo?.model.id) return demo.model;
    const all = await this.list(signal);
    const named = all.find(({ name, id }) => name === nameOrId || id === nameOrId);
    if (named !== undefined) return named;
    const begun = all.filter(({ id }) => id.startsWith(nameOrId));
    const [only] = begun;
    const isOne = nameOrId.length >= ID_PREFIX_LENGTH_MIN && begun.length === 1;
    if (isOne && only !== undefined) return only;
    const message = `there is no model ${JSON.stringify(nameOrId.slice(0, 80))}`;
    throw new MeshError("MESH_MODEL_UNKNOWN", { message });
  }

  async ensure(
    { id, name }: ModelRecord,
    ranges: readonly ByteRange[],
    onProgress: (progress: PullProgress) => void,
    signal: AbortSignal,
  ): Promise<string> {
    const { demo, local } = this.#options;
    if (id === demo?.model.id) {
      const totalBytes = demo.model.sizeBytes;
      onProgress({ doneBytes: totalBytes, totalBytes });
      return demo.path;
    }
    const model = await this.#byId(id, name, signal);
    const copy = await this.#copy(model, signal);
    const merged = boundedRanges(ranges, MODEL_RANGE_GAP_BYTES, MODEL_RANGES_MAX);
    const chunks = chunksOf(merged, model.sizeBytes);
    const size = (sum: number, index: number) => sum + chunkBytesAt(index, model.sizeBytes);
    const totalBytes = chunks.reduce(size, 0);
    const pull = await this.#pull(copy);
    this.#wanted.set(id, (this.#wanted.get(id) ?? 0) + 1);
    try {
      await pull.ensure(chunks, (doneBytes) => onProgress({ doneBytes, totalBytes }), signal);
      await local.touch(id);
      return copy.path;
    } finally {
      const left = (this.#wanted.get(id) ?? 1) - 1;
      if (left > 0) this.#wanted.set(id, left);
      else this.#wanted.delete(id);
    }
  }

  /** Bytes of the file that a shard needs; the header is pulled when it is not here. */
  async rangesOf(model: ModelRecord, shard: Shard, signal: AbortSignal): Promise<ByteRange[]> {
    const stored = await this.#byId(model.id, model.name, signal);
    const header = [{ from: 0, to: stored.headerBytes }];
    const path = await this.ensure(stored, header, () => undefined, signal);
    return rangesOfFile(path, stored, shard);
  }

  /** Bytes of each model on this node. */
  async localBytes(): Promise<ReadonlyMap<string, number>> {
    const { demo, local } = this.#options;
    const sizes = new Map(await local.sizes());
    if (demo !== undefined) sizes.set(demo.model.id, demo.model.sizeBytes);
    return sizes;
  }

  /** `MESH_MODEL_UNKNOWN`; `MESH_FORBIDDEN` for the demo model and on a node that only reads. */
  async remove(nameOrId: string, signal: AbortSignal): Promise<ModelRecord> {
    const { demo, files, local } = this.#options;
    const model = await this.get(nameOrId, signal);
    if (model.id === demo?.model.id) {
      const message = "the demo model comes with the program and cannot be removed";
      throw new MeshError("MESH_FORBIDDEN", { message, hint: "It needs less than 2 MB." });
    }
    if (files.writer === undefined) throw readOnlyError();
    await files.writer.remove(model.name, signal);
    const left = await this.#stored(signal);
    if (!left.some(({ id }) => id === model.id)) {
      this.#pulls.delete(model.id);
      await local.remove(model.id);
    }
    return model;
  }

  /** Whether somebody waits for its local copy now. */
  isWanted(id: string): boolean {
    return this.#wanted.has(id);
  }

  async #byId(id: string, name: string, signal: AbortSignal): Promise<StoredModel> {
    const { demo } = this.#options;
    if (id === demo?.model.id) return demo.model;
    const find = (all: readonly StoredModel[] | undefined) =>
      all?.find((one) => one.id === id && one.name === name) ?? all?.find((one) => one.id === id);
    const found = find(this.#known) ?? find(await this.#stored(signal));
    if (found !== undefined) return found;
    throw new MeshError("MESH_MODEL_UNKNOWN", { message: `there is no model ${name} any more` });
  }

  async #copy(model: StoredModel, signal: AbortSignal): Promise<LocalModel> {
    const { files, local } = this.#options;
    return local.open(model, async () => {
      const bytes = await files.hashes(model.name, signal);
      return bytes.subarray(0, chunkCountOf(model.sizeBytes) * HASH_BYTES);
    });
  }

  #pull(copy: LocalModel): Promise<ModelPull> {
    const { files, local, clock } = this.#options;
    const { id } = copy.model;
    const known = this.#pulls.get(id);
    const making =
      known?.then((pull) => (pull.local === copy ? pull : undefined)) ?? Promise.resolve(undefined);
    const pull = making.then(
      (usable) =>
        usable ??
        new ModelPull({
          local: copy,
          read: (from, to, signal) => files.read(this.#nameOf(copy), from, to, signal),
          makeRoom: (bytes) => local.makeRoom(bytes, id),
          onPulled: (bytes) => {
            this.#pulledBytes += bytes;
          },
          clock,
        }),
    );
    this.#pulls.set(id, pull);
    return pull;
  }

  /** The same content may have several names, and lose the one that it was opened by. */
  #nameOf({ model }: LocalModel): string {
    const same = this.#known?.filter(({ id }) => id === model.id) ?? [];
    return same.some(({ name }) => name === model.name)
      ? model.name
      : (same[0]?.name ?? model.name);
  }

  /**
   * While the collective is away, what is known answers soon: requests to models that are here must
   * not wait for a coordinator that is gone.
   */
  async #stored(signal: AbortSignal): Promise<readonly StoredModel[]> {
    const { local, log, clock } = this.#options;
    const known = this.#known ?? (await local.records());
    const isAway = clock.monotonicMs() < this.#awayUntilMs;
    if (known.length > 0 && isAway) return known;
    const soon = new AbortController();
    const late = new MeshError("MESH_TIMEOUT", {
      message: "the collective did not answer in time",
    });
    const timer =
      known.length > 0
        ? clock.setTimeout(() => soon.abort(late), COLLECTIVE_LIST_MS_MAX)
        : undefined;
    try {
      this.#known = await this.#read(AbortSignal.any([signal, soon.signal]));
      return this.#known;
    } catch (error) {
      signal.throwIfAborted();
      log.info("the list of models is not current", { ...errorFields(error) });
      this.#awayUntilMs = clock.monotonicMs() + COLLECTIVE_PAUSE_MS;
      this.#known ??= known;
      return this.#known;
    } finally {
      timer?.cancel();
    }
  }

  async #read(signal: AbortSignal): Promise<readonly StoredModel[]> {
    const records = await this.#options.files.records(signal);
    return records.slice(0, MODELS_MAX).flatMap(({ name, bytes }) => {
      const model = isModelName(name) ? parseModelRecord(bytes) : undefined;
      return model?.name === name ? [model] : [];
    });
  }
}

export function readOnlyError(): MeshError {
  return new MeshError("MESH_FORBIDDEN", {
    message: "this node may read the models of the member and not change them",
    hint: "Run the command on the machine with the coordinator: `mesh status` names it.",
  });
}
