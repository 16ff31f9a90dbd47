/** Counts what is under way, so that there is a limit to it and closing can wait for it. */
import { limits, MeshError } from "@hearthmesh/core";

export class WorkGate {
  #count = 0;
  #bytes = 0;
  #whenIdle: (() => void)[] = [];

  /** `MESH_STORE_BUSY` when too much is under way already. */
  async run<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    if (
      this.#count >= limits.STORE_QUEUE_MAX ||
      this.#bytes + bytes > limits.STORE_QUEUE_BYTES_MAX
    ) {
      throw new MeshError("MESH_STORE_BUSY");
    }
    this.#count++;
    this.#bytes += bytes;
    try {
      return await work();
    } finally {
      this.#count--;
      this.#bytes -= bytes;
      if (this.#count === 0) this.#tell();
    }
  }

  /** Resolves when nothing is under way. */
  drained(): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  #tell(): void {
    for (const resolve of this.#whenIdle) resolve();
    this.#whenIdle = [];
  }
}
