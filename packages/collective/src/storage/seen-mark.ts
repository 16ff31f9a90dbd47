/**
 * The furthest that a storage node has heard its coordinator be: the epoch, and within it the
 * revision of the store. Kept on the node's disk and told at every registration, so that a
 * coordinator whose records went back in time (restored from a backup, or a machine set back to an
 * older state) finds out before it takes chunks for garbage whose rows it has lost.
 */

export interface SeenMark {
  readonly epoch: number;
  readonly revision: number;
}

/** Of another epoch: the later epoch. Of the same: the higher revision. */
export function laterMark(known: SeenMark | undefined, heard: SeenMark): SeenMark {
  if (known === undefined || heard.epoch > known.epoch) return heard;
  if (heard.epoch < known.epoch || heard.revision <= known.revision) return known;
  return heard;
}

/** Undefined for what is no mark, such as from an older version. */
export function readMark(value: unknown): SeenMark | undefined {
  const { epoch, revision } = (value ?? {}) as Partial<Record<keyof SeenMark, unknown>>;
  const isCount = (one: unknown): one is number => Number.isSafeInteger(one) && Number(one) >= 0;
  return isCount(epoch) && isCount(revision) ? { epoch, revision } : undefined;
}

export interface SeenMarkKeeperOptions {
  readonly mark: SeenMark | undefined;
  /** Durable when it resolves. */
  save(mark: SeenMark): Promise<void>;
}

/** The mark in memory and on disk: written when it grew, one write at a time. */
export class SeenMarkKeeper {
  readonly #save: (mark: SeenMark) => Promise<void>;
  #mark: SeenMark | undefined;
  #saving: Promise<void> | undefined;

  constructor({ mark, save }: SeenMarkKeeperOptions) {
    this.#mark = mark;
    this.#save = save;
  }

  get mark(): SeenMark | undefined {
    return this.#mark;
  }

  /** What an answer of the coordinator says. A disk that does not take it costs nothing but it. */
  heard(value: unknown): void {
    const heard = readMark(value);
    if (heard === undefined) return;
    const later = laterMark(this.#mark, heard);
    if (later === this.#mark) return;
    this.#mark = later;
    this.#saving ??= this.#saveAll().finally(() => {
      this.#saving = undefined;
    });
  }

  /** Waits for what is being written. */
  async settle(): Promise<void> {
    await this.#saving;
  }

  async #saveAll(): Promise<void> {
    let saved: SeenMark | undefined;
    while (this.#mark !== undefined && saved !== this.#mark) {
      saved = this.#mark;
      await this.#save(saved).catch(() => undefined);
    }
  }
}
