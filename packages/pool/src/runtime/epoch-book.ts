/** The last epoch of each model that this node has seen, kept over restarts. */
import { EPOCH_AHEAD_MAX, EPOCH_MAX, EPOCHS_KEPT_MAX } from "./limits.js";
import type { AgentRecords } from "./ports.js";

export class EpochBook {
  readonly #records: AgentRecords;
  readonly #epochs = new Map<string, number>();
  #loading: Promise<void> | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(records: AgentRecords) {
    this.#records = records;
  }

  /** Higher than any epoch of this model before; on disk before it is used. */
  async next(modelId: string): Promise<number> {
    await this.#load();
    const epoch = (this.#epochs.get(modelId) ?? 0) + 1;
    this.#take(modelId, epoch);
    await this.#save();
    return epoch;
  }

  /** Somebody else was further; what is too far to be true is not believed. */
  async learn(modelId: string, epoch: number): Promise<void> {
    await this.#load();
    const own = this.#epochs.get(modelId) ?? 0;
    if (epoch <= own || epoch > Math.min(EPOCH_MAX, own + EPOCH_AHEAD_MAX)) return;
    this.#take(modelId, epoch);
    await this.#save();
  }

  #take(modelId: string, epoch: number): void {
    this.#epochs.delete(modelId);
    this.#epochs.set(modelId, epoch);
    for (const oldest of this.#epochs.keys()) {
      if (this.#epochs.size <= EPOCHS_KEPT_MAX) break;
      this.#epochs.delete(oldest);
    }
  }

  #load(): Promise<void> {
    this.#loading ??= this.#read();
    return this.#loading;
  }

  async #read(): Promise<void> {
    const { v, epochs } = ((await this.#records.read("epochs")) ?? {}) as {
      v?: unknown;
      epochs?: unknown;
    };
    if (v !== 1 || epochs === null || typeof epochs !== "object") return;
    for (const [modelId, epoch] of Object.entries(epochs).slice(-EPOCHS_KEPT_MAX)) {
      if (Number.isSafeInteger(epoch) && epoch > 0 && epoch <= EPOCH_MAX)
        this.#epochs.set(modelId, epoch);
    }
  }

  /** One after the other, so that an older book never replaces a newer one. */
  #save(): Promise<void> {
    const write = () =>
      this.#records.write("epochs", { v: 1, epochs: Object.fromEntries(this.#epochs) });
    this.#writing = this.#writing.then(write, write);
    return this.#writing;
  }
}
