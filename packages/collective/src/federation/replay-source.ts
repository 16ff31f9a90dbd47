/**
 * A source that can be read again from its start while nothing of it is safe anywhere: so a write
 * that found no way to the storage nodes begins anew on another way. It keeps references to the
 * pieces that were taken, not copies.
 *
 * States: keeping -> released (something is safe, or more than `bytesMax` was taken). Invariants:
 * the source underneath is read once and in order; when released, nothing is kept. One reader at a
 * time.
 */
export class ReplaySource {
  readonly #iterator: AsyncIterator<Uint8Array>;
  readonly #bytesMax: number;
  #pieces: Uint8Array[] = [];
  #keptBytes = 0;
  /** Number of the first piece that is kept. */
  #first = 0;
  #isKeeping = true;
  #failure: { readonly error: unknown } | undefined;
  #pull: Promise<boolean> | undefined;

  constructor(source: AsyncIterable<Uint8Array>, bytesMax: number) {
    this.#iterator = source[Symbol.asyncIterator]();
    this.#bytesMax = bytesMax;
  }

  /** Whether a new `stream` would begin with the first byte. */
  get isWhole(): boolean {
    return this.#isKeeping && this.#first === 0;
  }

  /** How the source underneath failed, which is not the fault of who reads it. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  /** Nobody will need to read it again. */
  release(): void {
    this.#isKeeping = false;
  }

  /** All pieces from the start; only while `isWhole`. */
  async *stream(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let number = 0; ; number++) {
      while (number - this.#first >= this.#pieces.length) {
        if (!(await this.#next())) return;
      }
      const piece = this.#pieces[number - this.#first];
      if (piece === undefined) throw new Error("a piece was forgotten before it was read");
      if (!this.#isKeeping) this.#forget(number + 1);
      yield piece;
    }
  }

  /** Ends the source; it is told and not waited for, because it may stand still. */
  close(): void {
    this.#pieces = [];
    this.#isKeeping = false;
    Promise.resolve(this.#iterator.return?.()).catch(() => undefined);
  }

  /** One pull at a time, also when a reader that was given up still waits for one. */
  #next(): Promise<boolean> {
    this.#pull ??= this.#take().finally(() => {
      this.#pull = undefined;
    });
    return this.#pull;
  }

  async #take(): Promise<boolean> {
    const next = await this.#iterator.next().catch((error: unknown) => {
      this.#failure = { error };
      this.release();
      throw error;
    });
    if (next.done === true) return false;
    this.#pieces.push(next.value);
    this.#keptBytes += next.value.length;
    if (this.#keptBytes > this.#bytesMax) this.release();
    return true;
  }

  #forget(upTo: number): void {
    for (; this.#first < upTo; this.#first++) {
      this.#keptBytes -= this.#pieces.shift()?.length ?? 0;
    }
  }
}
