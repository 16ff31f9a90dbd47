/** Saves the snapshot soon after a change, at most once in `SNAPSHOT_INTERVAL_MS`. */
import { type Clock, errorFields, type Logger, type Timer } from "@hearthmesh/core";
import { SNAPSHOT_INTERVAL_MS } from "./limits.js";
import { parseSnapshot, type SnapshotStore, type SwimSnapshot } from "./snapshot.js";

export interface SnapshotKeeperOptions {
  readonly store: SnapshotStore;
  readonly clock: Clock;
  readonly log: Logger;
  make(): SwimSnapshot;
}

export class SnapshotKeeper {
  readonly #options: SnapshotKeeperOptions;
  #timer: Timer | undefined;
  #saving: Promise<void> = Promise.resolve();

  constructor(options: SnapshotKeeperOptions) {
    this.#options = options;
  }

  /** Undefined when there is none, or none that can be read. */
  async load(): Promise<SwimSnapshot | undefined> {
    try {
      return parseSnapshot(await this.#options.store.load());
    } catch (error) {
      const { log } = this.#options;
      log.warn("the snapshot of the mesh cannot be read and is not used", errorFields(error));
      return undefined;
    }
  }

  changed(): void {
    this.#timer ??= this.#options.clock.setTimeout(() => {
      this.#timer = undefined;
      void this.save();
    }, SNAPSHOT_INTERVAL_MS);
  }

  /** One after the other; resolves also when it failed, which is logged. */
  save(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    const { store, log, make } = this.#options;
    this.#saving = this.#saving.then(async () => {
      try {
        await store.save(make());
      } catch (error) {
        log.warn("the snapshot of the mesh could not be saved", errorFields(error));
      }
    });
    return this.#saving;
  }
}
