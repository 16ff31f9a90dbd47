/**
 * The models of a node as a part of it. What it is made of is loaded with the first question: a
 * node that nobody asks about models pays nothing for them.
 */
import type { Startable } from "@hearthmesh/core";
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
import { OnDemand } from "../on-demand.js";
import type { NodeModels, OpenModelsOptions } from "./open-models.js";

const NOTHING_PULLED: LibraryStats = { pulledBytes: 0, removedCopies: 0 };

export class ModelsPart implements Startable, ModelLibrary, ModelService {
  readonly name = "models";
  readonly #models: OnDemand<NodeModels>;

  constructor(options: OpenModelsOptions) {
    this.#models = new OnDemand({
      open: async () => (await import("./open-models.js")).openModels(options),
      nowMs: () => options.clock.monotonicMs(),
    });
  }

  async start(): Promise<void> {
    this.#models.start();
  }

  async stop(): Promise<void> {
    await (await this.#models.stop())?.close();
  }

  metrics(node: string): MetricValue[] {
    const { pulledBytes, removedCopies } = this.#models.opened?.library.stats ?? NOTHING_PULLED;
    return [
      { name: "mesh_ai_pulled_bytes_total", labels: { node }, value: pulledBytes },
      { name: "mesh_ai_copies_removed_total", labels: { node }, value: removedCopies },
    ];
  }

  async list(signal: AbortSignal): Promise<readonly ModelRecord[]> {
    return (await this.#models.get()).library.list(signal);
  }

  async get(nameOrId: string, signal: AbortSignal): Promise<ModelRecord> {
    return (await this.#models.get()).library.get(nameOrId, signal);
  }

  async ensure(
    model: ModelRecord,
    ranges: readonly ByteRange[],
    onProgress: (progress: PullProgress) => void,
    signal: AbortSignal,
  ): Promise<string> {
    return (await this.#models.get()).library.ensure(model, ranges, onProgress, signal);
  }

  /** Bytes of the file that a shard needs. */
  async rangesOf(model: ModelRecord, shard: Shard, signal: AbortSignal): Promise<ByteRange[]> {
    return (await this.#models.get()).library.rangesOf(model, shard, signal);
  }

  async shares(model: ModelRecord): Promise<readonly EqualShare[]> {
    return (await this.#models.get()).sharesOf(model);
  }

  async localBytes(): Promise<ReadonlyMap<string, number>> {
    return (await this.#models.get()).library.localBytes();
  }

  async remove(nameOrId: string, signal: AbortSignal): Promise<ModelRecord> {
    return (await this.#models.get()).library.remove(nameOrId, signal);
  }

  async addFrom(address: string, options: AddOptions, signal: AbortSignal): Promise<ImportView> {
    return (await this.#models.get()).imports.addFrom(address, options, signal);
  }

  async addStream(
    fileName: string,
    body: AsyncIterable<Uint8Array>,
    options: AddOptions,
    signal: AbortSignal,
  ): Promise<ModelRecord> {
    return (await this.#models.get()).imports.addStream(fileName, body, options, signal);
  }

  async imports(): Promise<readonly ImportView[]> {
    return (await this.#models.get()).imports.list();
  }

  async import(id: string): Promise<ImportView> {
    return (await this.#models.get()).imports.get(id);
  }

  async cancelImport(id: string): Promise<ImportView> {
    return (await this.#models.get()).imports.cancel(id);
  }
}
