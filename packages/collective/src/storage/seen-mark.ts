/**
 * The furthest that a storage node has heard its coordinator be: the epoch, within it the revision
 * of the store, and which run of the coordinator said so. Kept on the node's disk and told at every
 * registration, so that a coordinator whose records went back in time (restored from a backup, or a
 * machine set back to an older state) finds out before it takes chunks for garbage whose rows are
 * lost.
 */

export interface SeenMark {
  readonly epoch: number;
  readonly revision: number;
  /** Which run of a coordinator said so: two lives of the records may count the same epochs. */
  readonly run?: string;
}

const RUN_LENGTH_MAX = 64;

/** Of another epoch: the later epoch. Of the same: the higher revision. */
export function laterMark(known: SeenMark | undefined, heard: SeenMark): SeenMark {
  if (known === undefined || heard.epoch > known.epoch) return heard;
  if (heard.epoch < known.epoch || heard.revision <= known.revision) return known;
  return heard;
}

/** Undefined for what is no mark, such as from an older version. */
export function readMark(value: unknown): SeenMark | undefined {
  const { epoch, revision, run } = (value ?? {}) as Partial<Record<keyof SeenMark, unknown>>;
  const isCount = (one: unknown): one is number => Number.isSafeInteger(one) && Number(one) >= 0;
  if (!isCount(epoch) || !isCount(revision)) return undefined;
  const isNamed = typeof run === "string" && run.length <= RUN_LENGTH_MAX;
  return isNamed ? { epoch, revision, run } : { epoch, revision };
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
