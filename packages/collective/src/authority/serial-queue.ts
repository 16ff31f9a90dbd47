/** Runs one task after the other, in the order in which they came. */
import { MeshError } from "@hearthmesh/core";

export class SerialQueue {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  readonly #waitingMax: number;

  constructor(waitingMax: number) {
    this.#waitingMax = waitingMax;
  }

  /** The task's own outcome. `MESH_STORE_BUSY` when too many wait already. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#waiting >= this.#waitingMax) {
      throw new MeshError("MESH_STORE_BUSY", { message: "too many changes are waiting" });
    }
    this.#waiting++;
    const outcome = this.#last.then(task).finally(() => {
      this.#waiting--;
    });
    this.#last = outcome.catch(() => undefined);
    return outcome;
  }
}
