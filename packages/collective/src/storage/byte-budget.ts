/**
 * A bound on bytes held in memory: who would exceed it waits in line, and the line is bounded too.
 */
import { MeshError } from "@hearthmesh/core";

export class ByteBudget {
  readonly #bytesMax: number;
  readonly #waitersMax: number;
  readonly #waiters: { bytes: number; grant: () => void }[] = [];
  #usedBytes = 0;

  constructor(bytesMax: number, waitersMax: number) {
    this.#bytesMax = bytesMax;
    this.#waitersMax = waitersMax;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /**
   * Resolves, first come first served, when the bytes fit; more than the whole budget at once is
   * let through alone. Throws `MESH_LIMIT` when too many wait already. Pair each with a `release`.
   */
  async acquire(bytes: number): Promise<void> {
    if (this.#waiters.length === 0 && this.#fits(bytes)) {
      this.#usedBytes += bytes;
      return;
    }
    if (this.#waiters.length >= this.#waitersMax) {
      throw new MeshError("MESH_LIMIT", {
        message: "too many chunks are waiting for the disk of this node",
        hint: "Send fewer at a time and try again.",
      });
    }
    await new Promise<void>((grant) => this.#waiters.push({ bytes, grant }));
  }

  release(bytes: number): void {
    this.#usedBytes -= bytes;
    for (let first = this.#waiters[0]; first !== undefined; first = this.#waiters[0]) {
      if (!this.#fits(first.bytes)) return;
      this.#usedBytes += first.bytes;
      this.#waiters.shift();
      first.grant();
    }
  }

  #fits(bytes: number): boolean {
    return this.#usedBytes === 0 || this.#usedBytes + bytes <= this.#bytesMax;
  }
}
