/**
 * Tells the coordinator which copies came back damaged while a file was read. It reads them itself,
 * so this is a hint: it never fails a reading, and what there is no room for is left out.
 */
import { type ChunkId, type Clock, errorFields, type Logger, type NodeId } from "@hearthmesh/core";
import { DAMAGED_CHUNKS_PER_REPORT_MAX } from "../protocol.js";
import type { SignedTicket } from "../types.js";
import type { FileCalls } from "./file-calls.js";
import { withTimeout } from "./waiting.js";

/** Of one reading: who reads a file on a disk that is gone has said enough by then. */
const COPIES_PER_READING_MAX = 64;
/** How long the end of a reading waits for what was not told yet. */
const LAST_WORDS_MS = 2_000;

export interface DamageReportsOptions {
  readonly calls: Pick<FileCalls, "once">;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Found {
  readonly ticket: SignedTicket;
  readonly nodeId: NodeId;
  readonly id: ChunkId;
}

export class DamageReports {
  readonly #options: DamageReportsOptions;
  readonly #known = new Set<string>();
  #waiting: Found[] = [];
  #telling: Promise<void> | undefined;

  constructor(options: DamageReportsOptions) {
    this.#options = options;
  }

  /** Returns at once. */
  add(ticket: SignedTicket, nodeId: NodeId, id: ChunkId): void {
    const key = `${nodeId} ${id}`;
    if (this.#known.has(key) || this.#known.size >= COPIES_PER_READING_MAX) return;
    this.#known.add(key);
    this.#waiting.push({ ticket, nodeId, id });
    this.#telling ??= this.#tellAll().finally(() => {
      this.#telling = undefined;
    });
  }

  /** At the end of a reading. Never rejects. */
  async settled(): Promise<void> {
    const telling = this.#telling;
    if (telling === undefined) return;
    const { clock } = this.#options;
    await withTimeout(clock, LAST_WORDS_MS, undefined, () => telling).catch(() => undefined);
  }

  async #tellAll(): Promise<void> {
    // What is found in the same moment goes in one message.
    await Promise.resolve();
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined) return;
      const isSame = ({ ticket, nodeId }: Found) =>
        ticket === first.ticket && nodeId === first.nodeId;
      const some = this.#waiting.filter(isSame).slice(0, DAMAGED_CHUNKS_PER_REPORT_MAX);
      this.#waiting = this.#waiting.filter((one) => !some.includes(one));
      const { ticket, nodeId } = first;
      const request = { ticket, nodeId, ids: some.map(({ id }) => id) };
      try {
        await this.#options.calls.once("file.damaged", request);
      } catch (error) {
        const { log } = this.#options;
        log.debug("the coordinator was not told of a damaged chunk", {
          nodeId,
          ...errorFields(error),
        });
      }
    }
  }
}
