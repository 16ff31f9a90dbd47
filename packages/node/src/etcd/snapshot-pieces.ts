/** A snapshot of etcd as pieces that a reader takes at its own speed. */
import type { EtcdAdmin } from "@hearthmesh/store";

/**
 * etcd's stream waits until a piece was taken; at most one waits here. When the reader stops early,
 * the stream is ended.
 */
export async function* snapshotPieces(
  admin: Pick<EtcdAdmin, "snapshot">,
  endpoint: string,
): AsyncGenerator<Uint8Array> {
  const hand = new HandOver();
  const stream = admin
    .snapshot(endpoint, (piece) => hand.give(piece))
    .then(
      () => hand.end(undefined),
      (error: unknown) => hand.end({ error }),
    );
  try {
    for (let piece = await hand.take(); piece !== undefined; piece = await hand.take()) yield piece;
  } finally {
    hand.refuse();
    await stream;
  }
}

/** One place between a writer and a reader. */
class HandOver {
  #piece: Uint8Array | undefined;
  #ended: { failure: { error: unknown } | undefined } | undefined;
  #refused = false;
  #taken: () => void = () => undefined;
  #given: () => void = () => undefined;

  /** Returns when the reader has taken it. Throws when there is no reader any more. */
  async give(piece: Uint8Array): Promise<void> {
    if (this.#refused) throw new Error("nobody reads the snapshot any more");
    this.#piece = piece;
    this.#given();
    await new Promise<void>((resolve) => {
      this.#taken = resolve;
    });
    if (this.#refused) throw new Error("nobody reads the snapshot any more");
  }

  end(failure: { error: unknown } | undefined): void {
    this.#ended = { failure };
    this.#given();
  }

  async take(): Promise<Uint8Array | undefined> {
    this.#taken();
    while (this.#piece === undefined) {
      if (this.#ended?.failure !== undefined) throw this.#ended.failure.error;
      if (this.#ended !== undefined) return undefined;
      await new Promise<void>((resolve) => {
        this.#given = resolve;
      });
    }
    const piece = this.#piece;
    this.#piece = undefined;
    return piece;
  }

  refuse(): void {
    this.#refused = true;
    this.#taken();
  }
}
