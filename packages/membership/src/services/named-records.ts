/**
 * Records with a name that an operator puts on a node, such as its services: kept by the injected
 * storage, so that they are there again after a restart. Changes are made one after the other and
 * are in force only when they have been kept.
 */
import { errorFields, type Logger, MeshError } from "@hearthmesh/core";

export interface NamedRecordStorage<T> {
  /** What was saved last; an empty list before that. */
  load(): Promise<readonly unknown[]>;
  /** Resolves when the list outlives a crash. */
  save(records: readonly T[]): Promise<void>;
}

export interface NamedRecordsOptions<T> {
  readonly storage: NamedRecordStorage<T>;
  readonly log: Logger;
  readonly recordsMax: number;
  /** A record that may be used on this node. Throws a `MeshError` for anything else. */
  check(input: unknown): T;
  /** For errors: `service`, its plural, and `mesh service`, which shows and removes them. */
  readonly words: { readonly one: string; readonly many: string; readonly command: string };
}

export class NamedRecords<T extends { readonly name: string }, Input> {
  readonly #options: NamedRecordsOptions<T>;
  readonly #records = new Map<string, T>();
  readonly #listeners = new Set<() => void>();
  #tail: Promise<unknown> = Promise.resolve();

  constructor(options: NamedRecordsOptions<T>) {
    this.#options = options;
  }

  /**
   * Reads what was saved. One that can no longer be used, such as when the node's own port has
   * moved onto it, is left out with a warning.
   */
  async load(): Promise<void> {
    const { storage, log, recordsMax, check, words } = this.#options;
    for (const saved of await storage.load()) {
      if (this.#records.size >= recordsMax) break;
      try {
        const record = check(saved);
        this.#records.set(record.name, record);
      } catch (error) {
        log.warn(`a saved ${words.one} is left out`, errorFields(error));
      }
    }
    this.#tellAll();
  }

  /** By name. */
  list(): readonly T[] {
    return [...this.#records.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  get(name: string): T | undefined {
    return this.#records.get(name);
  }

  /** `MESH_BAD_REQUEST`, `MESH_SERVICE_EXISTS` (also for the same again), `MESH_LIMIT`. */
  add(input: Input): Promise<T> {
    return this.#change(async () => {
      const { storage, recordsMax, check, words } = this.#options;
      const record = check(input);
      if (this.#records.has(record.name)) {
        throw new MeshError("MESH_SERVICE_EXISTS", {
          message: `${record.name} is one of this node's ${words.many} already`,
          hint: `\`${words.command} remove ${record.name}\` takes it away.`,
        });
      }
      if (this.#records.size >= recordsMax) {
        throw new MeshError("MESH_LIMIT", {
          message: `a node has at most ${recordsMax} ${words.many}`,
          hint: `Remove one that is not needed: \`${words.command} list\` shows them.`,
        });
      }
      await storage.save([...this.list(), record]);
      this.#records.set(record.name, record);
      return record;
    });
  }

  /** Answers with what was removed. `MESH_NOT_FOUND` tells what there is. */
  remove(name: string): Promise<T> {
    return this.#change(async () => {
      const { storage, words } = this.#options;
      const record = this.#records.get(name);
      if (record === undefined) {
        const names = this.list().map((one) => one.name);
        throw new MeshError("MESH_NOT_FOUND", {
          message: `this node has no ${words.one} ${JSON.stringify(name.slice(0, 80))}`,
          hint:
            names.length === 0
              ? `There are no ${words.many} here. They are removed on the node of their own.`
              : `It has: ${names.join(", ")}.`,
        });
      }
      await storage.save(this.list().filter((one) => one !== record));
      this.#records.delete(name);
      return record;
    });
  }

  /** Called after each change; answers how to stop listening. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #change<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.#tail.then(work);
    this.#tail = done.catch(() => {});
    return done.then((result) => {
      this.#tellAll();
      return result;
    });
  }

  #tellAll(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
