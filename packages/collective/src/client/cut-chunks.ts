/** Cuts a stream of pieces of any size in chunks of one size. */

/** Pieces below this size are gathered, so that a chunk never consists of thousands of them. */
const SMALL_PIECE_BYTES = 16 * 1024;
const GATHER_BYTES = 64 * 1024;

export interface CutChunk {
  /** One after the other they are the chunk; views of what the source gave, where it was large. */
  readonly pieces: readonly Uint8Array[];
  readonly sizeBytes: number;
}

/**
 * Chunks of exactly `chunkBytes`, the last one shorter, none for an empty source. At most one chunk
 * is held. Large pieces are not copied: the source must not change what it gave.
 */
export async function* cutChunks(
  source: AsyncIterable<Uint8Array>,
  chunkBytes: number,
): AsyncGenerator<CutChunk, void, undefined> {
  let gatherer = new Gatherer();
  for await (const piece of source) {
    let rest = piece;
    while (rest.length > 0) {
      const taken = rest.subarray(0, chunkBytes - gatherer.sizeBytes);
      rest = rest.subarray(taken.length);
      gatherer.add(taken);
      if (gatherer.sizeBytes === chunkBytes) {
        yield gatherer.finish();
        gatherer = new Gatherer();
      }
    }
  }
  if (gatherer.sizeBytes > 0) yield gatherer.finish();
}

class Gatherer {
  sizeBytes = 0;
  readonly #pieces: Uint8Array[] = [];
  #tail: Uint8Array = new Uint8Array(0);
  #tailUsed = 0;

  add(piece: Uint8Array): void {
    this.sizeBytes += piece.length;
    if (piece.length >= SMALL_PIECE_BYTES) {
      this.#flush();
      this.#pieces.push(piece);
      return;
    }
    if (this.#tailUsed + piece.length > this.#tail.length) {
      this.#flush();
      this.#tail = Buffer.allocUnsafeSlow(GATHER_BYTES);
    }
    this.#tail.set(piece, this.#tailUsed);
    this.#tailUsed += piece.length;
  }

  finish(): CutChunk {
    this.#flush();
    return { pieces: this.#pieces, sizeBytes: this.sizeBytes };
  }

  #flush(): void {
    if (this.#tailUsed > 0) this.#pieces.push(this.#tail.subarray(0, this.#tailUsed));
    this.#tail = this.#tail.subarray(this.#tailUsed);
    this.#tailUsed = 0;
  }
}

export interface PeekedSource {
  readonly head: readonly Uint8Array[];
  /** The source held no more than `head`. */
  readonly ended: boolean;
  readonly rest: AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/**
 * Reads just beyond `limitBytes`, to know whether the source is longer than that. `rest` is the
 * whole source again, with what was read in front; `close` releases a source that is not read on.
 */
export async function peekSource(
  source: AsyncIterable<Uint8Array>,
  limitBytes: number,
): Promise<PeekedSource> {
  const iterator = source[Symbol.asyncIterator]();
  const gatherer = new Gatherer();
  let ended = false;
  while (gatherer.sizeBytes <= limitBytes) {
    const next = await iterator.next();
    if (next.done === true) {
      ended = true;
      break;
    }
    gatherer.add(next.value);
  }
  const head = [...gatherer.finish().pieces];
  return {
    head,
    ended,
    rest: rejoin(head, iterator),
    close: async () => void (await iterator.return?.()),
  };
}

async function* rejoin(
  head: readonly Uint8Array[],
  iterator: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* head;
    for (;;) {
      const next = await iterator.next();
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    await iterator.return?.();
  }
}
