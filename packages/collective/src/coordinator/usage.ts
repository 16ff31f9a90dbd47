/**
 * How many files the namespace holds and how many bytes they have. Counted once from the rows as
 * they were at one revision, then kept by adding up what the coordinator changes. Unknown until the
 * count has ended. A removed tree counts until it is swept.
 */
import { isMeshError } from "@hearthmesh/core";
import type { RangeResult, Store } from "@hearthmesh/store";
import type { SharedGate } from "./gates.js";
import { keys, rowsAfter } from "./keys.js";
import { decodeEntry } from "./records.js";

const PAGE_ROWS = 1000;
/** Under a steady storm of writes the history is too short to be counted; then it stays unknown. */
const COUNT_ATTEMPTS = 5;

export interface Totals {
  readonly files: number;
  readonly bytes: number;
}

export class Usage {
  readonly #store: Store;
  readonly #gate: SharedGate;
  #changed = { files: 0, bytes: 0 };
  #counted: Totals | undefined;

  constructor(store: Store, gate: SharedGate) {
    this.#store = store;
    this.#gate = gate;
  }

  add(files: number, bytes: number): void {
    this.#changed.files += files;
    this.#changed.bytes += bytes;
  }

  totals(): Totals | undefined {
    const counted = this.#counted;
    if (counted === undefined) return undefined;
    return {
      files: counted.files + this.#changed.files,
      bytes: counted.bytes + this.#changed.bytes,
    };
  }

  async count(signal: AbortSignal): Promise<void> {
    for (let attempt = 0; attempt < COUNT_ATTEMPTS && this.#counted === undefined; attempt++) {
      try {
        this.#counted = await this.#countAt(await this.#begin(), signal);
      } catch (error) {
        if (!isMeshError(error, "MESH_STORE_COMPACTED")) throw error;
      }
    }
  }

  /**
   * No change is half done while the gate is held: what comes later is added to what is counted.
   */
  #begin(): Promise<number> {
    return this.#gate.alone(async () => {
      this.#changed = { files: 0, bytes: 0 };
      return (await this.#store.range(keys.uploads, { limit: 1, keysOnly: true })).revision;
    });
  }

  async #countAt(revision: number, signal: AbortSignal): Promise<Totals> {
    let files = 0;
    let bytes = 0;
    let last: string | undefined;
    for (;;) {
      signal.throwIfAborted();
      const options = { limit: PAGE_ROWS, revision };
      const page: RangeResult = await this.#store.range(rowsAfter("f", last), options);
      for (const row of page.entries) {
        const record = decodeEntry(row.value);
        if (record.kind !== "file") continue;
        files++;
        bytes += record.sizeBytes;
      }
      last = page.entries.at(-1)?.key;
      if (!page.more || last === undefined) return { files, bytes };
    }
  }
}
