/**
 * Bytes of an answer whose first piece is there already. An iterator of its own rather than a
 * generator: one that nobody has begun to read would not clean up when it is left.
 */
export class PrimedBody implements AsyncIterableIterator<Uint8Array> {
  #first: IteratorResult<Uint8Array> | undefined;
  readonly #rest: AsyncIterator<Uint8Array>;
  readonly #onEnd: () => void;

  private constructor(
    first: IteratorResult<Uint8Array>,
    rest: AsyncIterator<Uint8Array>,
    onEnd: () => void,
  ) {
    this.#first = first;
    this.#rest = rest;
    this.#onEnd = onEnd;
  }

  /** `onEnd` is called at the end, at a failure (also of the first piece), and when it is left. */
  static async open(body: AsyncIterable<Uint8Array>, onEnd: () => void): Promise<PrimedBody> {
    const iterator = body[Symbol.asyncIterator]();
    try {
      return new PrimedBody(await iterator.next(), iterator, onEnd);
    } catch (error) {
      onEnd();
      throw error;
    }
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    const first = this.#first;
    this.#first = undefined;
    try {
      const result = first ?? (await this.#rest.next());
      if (result.done === true) this.#onEnd();
      return result;
    } catch (error) {
      this.#onEnd();
      throw error;
    }
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.#onEnd();
    await this.#rest.return?.();
    return { done: true, value: undefined };
  }
}

/** Ends an answer that nobody will read. */
export async function discard(body: AsyncIterable<Uint8Array>): Promise<void> {
  await body[Symbol.asyncIterator]().return?.();
}
