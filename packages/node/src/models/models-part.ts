/**
 * The models of a node as a part of it. What it is made of is loaded with the first question: a
 * node that nobody asks about models pays nothing for them.
 */
import { MeshError, type Startable } from "@hearthmesh/core";
import type { MetricValue, ModelService } from "@hearthmesh/gateway";
import type {
  AddOptions,
  ByteRange,
  EqualShare,
  ImportView,
  LibraryStats,
  ModelLibrary,
  ModelRecord,
  PullProgress,
  Shard,
} from "@hearthmesh/pool";
import type { NodeModels, OpenModelsOptions } from "./open-models.js";

const NOTHING_PULLED: LibraryStats = { pulledBytes: 0, removedCopies: 0 };

export class ModelsPart implements Startable, ModelLibrary, ModelService {
  readonly name = "models";
  readonly #options: OpenModelsOptions;
  #opening: Promise<NodeModels> | undefined;
  #opened: NodeModels | undefined;
  #isStopped = false;

  constructor(options: OpenModelsOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#isStopped = false;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    const opening = this.#opening;
    this.#opening = undefined;
    this.#opened = undefined;
    await (await opening?.catch(() => undefined))?.close();
  }

  metrics(node: string): MetricValue[] {
    const { pulledBytes, removedCopies } = this.#opened?.library.stats ?? NOTHING_PULLED;
    return [
      { name: "mesh_ai_pulled_bytes_total", labels: { node }, value: pulledBytes },
      { name: "mesh_ai_copies_removed_total", labels: { node }, value: removedCopies },
    ];
  }

  async list(signal: AbortSignal): Promise<readonly ModelRecord[]> {
    return (await this.#models()).library.list(signal);
  }

  async get(nameOrId: string, signal: AbortSignal): Promise<ModelRecord> {
    return (await this.#models()).library.get(nameOrId, signal);
  }

  async ensure(
    model: ModelRecord,
    ranges: readonly ByteRange[],
    onProgress: (progress: PullProgress) => void,
    signal: AbortSignal,
  ): Promise<string> {
    return (await this.#models()).library.ensure(model, ranges, onProgress, signal);
  }

  /** Bytes of the file that a shard needs. */
  async rangesOf(model: ModelRecord, shard: Shard, signal: AbortSignal): Promise<ByteRange[]> {
    return (await this.#models()).library.rangesOf(model, shard, signal);
  }

  async shares(model: ModelRecord): Promise<readonly EqualShare[]> {
    return (await this.#models()).sharesOf(model);
  }

  async localBytes(): Promise<ReadonlyMap<string, number>> {
    return (await this.#models()).library.localBytes();
  }

  async remove(nameOrId: string, signal: AbortSignal): Promise<ModelRecord> {
    return (await this.#models()).library.remove(nameOrId, signal);
  }

  async addFrom(address: string, options: AddOptions, signal: AbortSignal): Promise<ImportView> {
    return (await this.#models()).imports.addFrom(address, options, signal);
  }

  async addStream(
    fileName: string,
    body: AsyncIterable<Uint8Array>,
    options: AddOptions,
    signal: AbortSignal,
  ): Promise<ModelRecord> {
    return (await this.#models()).imports.addStream(fileName, body, options, signal);
  }

  async imports(): Promise<readonly ImportView[]> {
    return (await this.#models()).imports.list();
  }

  async import(id: string): Promise<ImportView> {
    return (await this.#models()).imports.get(id);
  }

  async cancelImport(id: string): Promise<ImportView> {
    return (await this.#models()).imports.cancel(id);
  }

  #models(): Promise<NodeModels> {
    if (this.#isStopped) throw new MeshError("MESH_STOPPING");
    this.#opening ??= this.#open();
    return this.#opening;
  }

  async #open(): Promise<NodeModels> {
    try {
      const { openModels } = await import("./open-models.js");
      this.#opened = await openModels(this.#options);
      return this.#opened;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }
}
