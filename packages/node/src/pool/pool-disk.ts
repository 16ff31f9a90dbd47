/** Writes what the pools of a node are, one file after the other, and always the newest. */
import { errorFields, type Logger } from "@hearthmesh/core";
import type { PoolView, RingAgreement } from "@hearthmesh/pool/membership";
import {
  readPoolFiles,
  removeTopology,
  writePoolFile,
  writeTopology,
  writtenTopologies,
} from "./pool-files.js";

export interface PoolDiskOptions {
  readonly home: string;
  readonly log: Logger;
}

export class PoolDisk {
  readonly #options: PoolDiskOptions;
  /** What is to be written, by file: a newer text replaces one that has not been begun. */
  readonly #waiting = new Map<string, () => Promise<void>>();
  #work: Promise<void> | undefined;
  #shown: readonly string[] = [];

  constructor(options: PoolDiskOptions) {
    this.#options = options;
  }

  async read(): Promise<{ roster: unknown; statements: readonly unknown[] }[]> {
    this.#shown = await writtenTopologies(this.#options.home);
    const files = await readPoolFiles(this.#options.home, this.#options.log);
    return files.map((file) => {
      const { roster, statements } = (file ?? {}) as { roster?: unknown; statements?: unknown };
      return { roster, statements: Array.isArray(statements) ? statements : [] };
    });
  }

  /** What was agreed, as it is when its turn comes. */
  keep(agreement: RingAgreement): void {
    this.#later(`pool ${agreement.poolId}`, async () => {
      const { roster } = agreement;
      if (roster === undefined) return;
      const statements = roster.members.flatMap(
        ({ nodeId }) => agreement.statementOf(nodeId) ?? [],
      );
      await writePoolFile(this.#options.home, { v: 1, roster, statements });
    });
  }

  /** The rings for people; those of pools that are gone are removed. */
  show(pools: readonly PoolView[]): void {
    const { home } = this.#options;
    const ids = pools.map(({ poolId }) => poolId);
    for (const pool of pools) {
      this.#later(`topology ${pool.poolId}`, () => writeTopology(home, pool));
    }
    for (const poolId of this.#shown.filter((one) => !ids.includes(one))) {
      this.#later(`topology ${poolId}`, () => removeTopology(home, poolId));
    }
    this.#shown = ids;
  }

  /** Resolves when everything is on the disk. */
  async settled(): Promise<void> {
    while (this.#work !== undefined) await this.#work;
  }

  #later(file: string, write: () => Promise<void>): void {
    this.#waiting.set(file, write);
    if (this.#work === undefined) this.#start();
  }

  #start(): void {
    this.#work = this.#writeAll().finally(() => {
      this.#work = undefined;
      if (this.#waiting.size > 0) this.#start();
    });
  }

  async #writeAll(): Promise<void> {
    for (;;) {
      const [next] = this.#waiting;
      if (next === undefined) return;
      const [file, write] = next;
      this.#waiting.delete(file);
      try {
        await write();
      } catch (error) {
        this.#options.log.error("a file of a pool was not written", errorFields(error));
      }
    }
  }
}
