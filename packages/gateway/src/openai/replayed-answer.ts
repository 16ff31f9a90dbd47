/**
 * An answer that several clients may read, each from its beginning: the first one and whoever asks
 * again with the same `Idempotency-Key`. It is made as fast as it comes, whoever reads, and kept in
 * memory up to a limit. When nobody has read it for a while before its end, it is cancelled.
 */
import { type Clock, MeshError, type Timer } from "@hearthmesh/core";
import type { AnswerPiece } from "./answer-piece.js";
import { ANSWER_KEPT_CHARACTERS_MAX, ANSWER_ORPHAN_MS } from "./limits.js";

export interface ReplayedAnswerOptions {
  readonly clock: Clock;
  /** Makes the answer; stops when `signal` is aborted. */
  make(signal: AbortSignal): AsyncIterable<AnswerPiece>;
  /** Told once: undefined after a whole answer. */
  onEnd(error: unknown): void;
  readonly orphanMs?: number;
  readonly charactersMax?: number;
}

export class ReplayedAnswer {
  readonly #options: ReplayedAnswerOptions;
  readonly #pieces: AnswerPiece[] = [];
  readonly #cancel = new AbortController();
  #characters = 0;
  #end: { readonly error: unknown } | undefined;
  #wake: (() => void)[] = [];
  #readers = 0;
  #orphaned: Timer | undefined;

  constructor(options: ReplayedAnswerOptions) {
    this.#options = options;
    void this.#run();
    this.#watchReaders();
  }

  /** Of all that is kept. */
  get characters(): number {
    return this.#characters;
  }

  get isOver(): boolean {
    return this.#end !== undefined;
  }

  /** From the first piece on. Leaving early, or `signal`, is leaving one reader. */
  async *read(signal: AbortSignal): AsyncGenerator<AnswerPiece> {
    this.#readers++;
    this.#watchReaders();
    const wake = () => this.#wakeAll();
    signal.addEventListener("abort", wake, { once: true });
    try {
      for (let at = 0; ; ) {
        signal.throwIfAborted();
        const piece = this.#pieces[at];
        if (piece !== undefined) {
          yield piece;
          at++;
        } else if (this.#end === undefined) {
          await new Promise<void>((resolve) => this.#wake.push(resolve));
        } else if (this.#end.error === undefined) return;
        else throw this.#end.error;
      }
    } finally {
      signal.removeEventListener("abort", wake);
      this.#readers--;
      this.#watchReaders();
    }
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const { make, onEnd, charactersMax = ANSWER_KEPT_CHARACTERS_MAX } = this.#options;
    let error: unknown;
    try {
      for await (const piece of make(this.#cancel.signal)) {
        this.#characters += piece.text.length;
        if (this.#characters > charactersMax) {
          throw new MeshError("MESH_LIMIT", {
            message: "the answer is too long to be kept for a retry",
            hint: "Ask again without the header Idempotency-Key.",
          });
        }
        this.#pieces.push(piece);
        this.#wakeAll();
      }
    } catch (thrown) {
      error = thrown;
    }
    this.#end = { error };
    this.#orphaned?.cancel();
    this.#wakeAll();
    onEnd(error);
  }

  #watchReaders(): void {
    this.#orphaned?.cancel();
    this.#orphaned = undefined;
    if (this.#readers > 0 || this.#end !== undefined) return;
    const { clock, orphanMs = ANSWER_ORPHAN_MS } = this.#options;
    this.#orphaned = clock.setTimeout(() => {
      this.#cancel.abort(new MeshError("MESH_CANCELLED", { message: "nobody waits for it" }));
    }, orphanMs);
  }

  #wakeAll(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const resolve of waiting) resolve();
  }
}
