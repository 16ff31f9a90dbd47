/**
 * What the leader knows about text, kept from one plan to the next: making the tables of a large
 * vocabulary takes half a second, and a request that waits for a new plan would wait for that too.
 */
import type { RequestReader } from "./model-answer.js";

interface KeptEntry {
  readonly modelId: string;
  readonly path: string;
  readonly reader: Promise<RequestReader>;
}

/** Keeps the last model's; another model, or the same one in another file, takes its place. */
export class KeptReader {
  readonly #open: (path: string) => Promise<RequestReader>;
  #kept: KeptEntry | undefined;

  constructor(open: (path: string) => Promise<RequestReader>) {
    this.#open = open;
  }

  /** Rejects as `open` does; a failure is not kept. `modelId`: hash of the file's content. */
  get(modelId: string, path: string): Promise<RequestReader> {
    const kept = this.#kept;
    if (kept?.modelId === modelId && kept.path === path) return kept.reader;
    const entry: KeptEntry = { modelId, path, reader: this.#open(path) };
    this.#kept = entry;
    entry.reader.catch(() => {
      if (this.#kept === entry) this.#kept = undefined;
    });
    return entry.reader;
  }
}
