/** `scrub.json` beside the packs: the place of the scrub, replaced whole or not at all. */
import { type ChunkId, type Disk, parseChunkId } from "@hearthmesh/core";
import type { ScrubRecord } from "./scrub-plan.js";

const PATH = "scrub.json";
const BYTES_MAX = 4_096;

export class ScrubFile {
  readonly #disk: Disk;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  /** Undefined when there is none that can be understood: the scrub then begins anew. */
  async read(): Promise<ScrubRecord | undefined> {
    if (!(await this.#disk.exists(PATH))) return undefined;
    const file = await this.#disk.open(PATH);
    try {
      return recordOf(Buffer.from(await file.read(0, BYTES_MAX)).toString("utf8"));
    } finally {
      await file.close();
    }
  }

  async write(record: ScrubRecord): Promise<void> {
    const file = await this.#disk.open(`${PATH}.new`, { create: true });
    try {
      await file.truncate(0);
      await file.write(0, [Buffer.from(JSON.stringify(record), "utf8")]);
      await file.sync();
    } finally {
      await file.close();
    }
    await this.#disk.rename(`${PATH}.new`, PATH);
    await this.#disk.syncDirectory(".");
  }
}

function recordOf(text: string): ScrubRecord | undefined {
  try {
    const { v, position, ...rest } = JSON.parse(text) as Partial<ScrubRecord>;
    const { passStartedAtMs, verified, damaged, bytes, lastPassAtMs } = rest;
    const counts = [passStartedAtMs, verified, damaged, bytes, lastPassAtMs ?? 0];
    if (v !== 1 || !counts.every((count) => Number.isFinite(count))) return undefined;
    const place = position === undefined ? {} : { position: parseChunkId(position) as ChunkId };
    return { v, ...(rest as Omit<ScrubRecord, "v" | "position">), ...place };
  } catch {
    return undefined;
  }
}
