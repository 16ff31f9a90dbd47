/**
 * Copies of damaged records, `quarantine/<chunk id>.bad`, as the disk gave them. A damaged chunk is
 * out of service at once and its space comes back; should no other copy be left, its owner may
 * still want what is left of the bytes. Bounded in number; nothing here is ever read by the store.
 */
import { errorFields, type Logger, limits } from "@hearthmesh/core";
import type { Location } from "./chunk-index.js";
import type { PackFiles } from "./pack-files.js";

const DIRECTORY = "quarantine";

export class PackQuarantine {
  readonly #files: PackFiles;
  readonly #log: Logger;
  #kept: Promise<unknown> = Promise.resolve();

  constructor(files: PackFiles, log: Logger) {
    this.#files = files;
    this.#log = log;
  }

  /** One after the other. Never rejects: without room, or with a disk that fails, it is left. */
  keep(id: Buffer, location: Location): Promise<void> {
    const kept = this.#kept.then(() => this.#keep(id.toString("hex"), location));
    this.#kept = kept.catch(() => undefined);
    return kept.catch((error: unknown) =>
      this.#log.warn("a damaged chunk was not set aside", errorFields(error)),
    );
  }

  async settled(): Promise<void> {
    await this.#kept;
  }

  async #keep(chunkId: string, { pack, offset, recordBytes }: Location): Promise<void> {
    const { disk } = this.#files;
    await disk.makeDirectory(DIRECTORY);
    const names = await disk.list(DIRECTORY);
    if (names.length >= limits.QUARANTINE_CHUNKS_MAX) return;
    const bytes = await this.#files.use(pack, (file) => file.read(offset, recordBytes));
    const file = await disk.open(`${DIRECTORY}/${chunkId}.bad`, { create: true });
    try {
      await file.truncate(0);
      await file.write(0, [bytes]);
      await file.sync();
    } finally {
      await file.close();
    }
  }
}
