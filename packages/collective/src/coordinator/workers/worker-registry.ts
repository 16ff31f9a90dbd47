/**
 * The workers of the leading coordinator: those that come with it and those that were handed in.
 * Settings and last runs are rows `w/<name>`, so a restart and a change of the leader keep them.
 *
 * Invariant: one writer, the registry of the leader; a change is in the store before it is true.
 * A row that cannot be written after a run is logged and written after the next.
 */
import {
  type Clock,
  errorFields,
  isMeshError,
  type Logger,
  limits,
  MeshError,
} from "@hearthmesh/core";
import { put, type Store } from "@hearthmesh/store";
import { SerialQueue } from "../../authority/serial-queue.js";
import { keys } from "../keys.js";
import { decodeJson, encodeJson } from "../records.js";
import { type LastRun, type WorkerError, type WorkerInspection, WorkerLoop } from "./worker.js";
import type { WorkerDefinition, WorkerSettings } from "./worker-definition.js";
import { changed, NEW_RECORD, type WorkerChange, type WorkerRecord } from "./worker-records.js";

export interface WorkerRegistryOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  /** Whether people and programs use the files now. */
  busy(): boolean;
}

export class WorkerRegistry {
  readonly #options: WorkerRegistryOptions;
  readonly #loops = new Map<string, WorkerLoop>();
  readonly #records = new Map<string, WorkerRecord>();
  readonly #writes = new SerialQueue(limits.WORKER_CHANGES_WAITING_MAX);

  constructor(options: WorkerRegistryOptions) {
    this.#options = options;
  }

  add(definition: WorkerDefinition): WorkerLoop {
    const { clock, log } = this.#options;
    const { name, keepsHistory = false } = definition;
    if (this.#loops.has(name)) {
      throw new MeshError("MESH_INTERNAL", { message: `two workers have the name ${name}` });
    }
    const loop = new WorkerLoop({
      ...definition,
      run: (signal, progress) => definition.run(signal, progress),
      ...(definition.queue === undefined ? {} : { queue: () => definition.queue?.() ?? 0 }),
      ...{ clock, log },
      busy: () => this.#options.busy(),
      onEnd: (run, error) => {
        if (keepsHistory) this.#keep(name, run, error);
      },
    });
    this.#loops.set(name, loop);
    return loop;
  }

  get all(): readonly WorkerLoop[] {
    return [...this.#loops.values()];
  }

  find(name: string): WorkerLoop | undefined {
    return this.#loops.get(name);
  }

  /** Before the first start. A row of a newer version is an error; other rows are left alone. */
  async load(): Promise<void> {
    const { store, log } = this.#options;
    for (const loop of this.all) {
      const row = await store.get(keys.worker(loop.name));
      if (row === undefined) continue;
      try {
        const record = decodeJson<WorkerRecord>(row.value);
        this.#records.set(loop.name, record);
        loop.configure(record.settings);
        loop.recall(record.lastRun, record.lastError);
      } catch (error) {
        if (isMeshError(error, "MESH_STORE_NEWER")) throw error;
        log.warn("the settings of a worker are not readable", {
          worker: loop.name,
          ...errorFields(error),
        });
      }
    }
  }

  start(): void {
    for (const loop of this.all) loop.start();
  }

  async stop(): Promise<void> {
    await Promise.all(this.all.map((loop) => loop.stop()));
    await this.#writes.run(async () => undefined);
  }

  inspect(): readonly WorkerInspection[] {
    return this.all.map((loop) => loop.inspect());
  }

  /** `MESH_NOT_FOUND` when there is no such worker. */
  require(name: string): WorkerLoop {
    const loop = this.#loops.get(name);
    if (loop !== undefined) return loop;
    throw new MeshError("MESH_NOT_FOUND", {
      message: `there is no worker ${JSON.stringify(name.slice(0, 64))}`,
      hint: `There are: ${[...this.#loops.keys()].join(", ")}.`,
    });
  }

  /** Resolves when the change is in the store and in force. */
  set(name: string, change: WorkerChange): Promise<WorkerSettings> {
    const loop = this.require(name);
    return this.#writes.run(async () => {
      const record = this.#records.get(name) ?? NEW_RECORD;
      const settings = changed(record.settings, change);
      await this.#write(name, { ...record, settings });
      loop.configure(settings);
      this.#options.log.info("a worker was set", { worker: name });
      return settings;
    });
  }

  #keep(name: string, lastRun: LastRun, error: WorkerError | undefined): void {
    const written = this.#writes.run(async () => {
      const record = this.#records.get(name) ?? NEW_RECORD;
      const failed = error === undefined ? {} : { lastError: error };
      await this.#write(name, { ...record, lastRun, ...failed });
    });
    written.catch((failure: unknown) => {
      const { log } = this.#options;
      log.warn("the end of a run was not kept", { worker: name, ...errorFields(failure) });
    });
  }

  async #write(name: string, record: WorkerRecord): Promise<void> {
    await this.#options.store.transact({
      success: [put(keys.worker(name), encodeJson(record))],
    });
    this.#records.set(name, record);
  }
}
