/**
 * Exclusion inside the one process that writes the namespace. Transactions with compares protect
 * each row; these protect what a compare cannot see: that a directory is empty, and that two moves
 * of directories do not make a circle. They also spare writers of one path the retries.
 *
 * Order, which excludes deadlock: first the gate, then keys, sorted, all at once.
 */

/** Many at a time, or one alone; in the order of asking. */
export class SharedGate {
  #sharing = 0;
  #alone = false;
  readonly #waiting: { alone: boolean; enter: () => void }[] = [];

  async shared<T>(work: () => Promise<T>): Promise<T> {
    if (this.#alone || this.#waiting.length > 0) await this.#queue(false);
    else this.#sharing++;
    try {
      return await work();
    } finally {
      this.#sharing--;
      this.#admit();
    }
  }

  async alone<T>(work: () => Promise<T>): Promise<T> {
    if (this.#alone || this.#sharing > 0 || this.#waiting.length > 0) await this.#queue(true);
    else this.#alone = true;
    try {
      return await work();
    } finally {
      this.#alone = false;
      this.#admit();
    }
  }

  #queue(alone: boolean): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ alone, enter: resolve }));
  }

  /** Lets in whoever is next; the counters change here, before those let in run. */
  #admit(): void {
    while (!this.#alone) {
      const next = this.#waiting[0];
      if (next === undefined || (next.alone && this.#sharing > 0)) return;
      this.#waiting.shift();
      if (next.alone) this.#alone = true;
      else this.#sharing++;
      next.enter();
    }
  }
}

/** One at a time for each key; in the order of asking. */
export class KeyedMutex {
  readonly #tails = new Map<string, Promise<void>>();

  async run<T>(wanted: readonly string[], work: () => Promise<T>): Promise<T> {
    const unique = [...new Set(wanted)].sort();
    let release = () => {};
    const done = new Promise<void>((resolve) => {
      release = resolve;
    });
    // All are queued for in one step, so two callers are in the same order at every key.
    const before = unique.map((key) => this.#tails.get(key));
    for (const key of unique) this.#tails.set(key, done);
    try {
      for (const turn of before) if (turn !== undefined) await turn;
      return await work();
    } finally {
      release();
      for (const key of unique) if (this.#tails.get(key) === done) this.#tails.delete(key);
    }
  }
}

/**
 * A bounded number at a time; in the order of asking. How many may wait is bounded by the caller.
 */
export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
