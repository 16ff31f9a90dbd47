/**
 * Events of one request between the worker and who iterates over them. The worker stops computing
 * when too many are not taken (`EVENTS_UNTAKEN_MAX`), so this holds no more than those.
 */
import { MeshError } from "@hearthmesh/core";
import type { GenerationEvent } from "./generation.js";
import { EVENTS_UNTAKEN_MAX } from "./limits.js";

export class EventQueue {
  readonly #onTaken: (events: number) => void;
  readonly #events: GenerationEvent[] = [];
  #error: MeshError | undefined;
  #waiting: { resolve(event: GenerationEvent): void; reject(error: MeshError): void } | undefined;
  #taken = 0;

  constructor(onTaken: (events: number) => void) {
    this.#onTaken = onTaken;
  }

  push(event: GenerationEvent): void {
    if (this.#waiting !== undefined) {
      const { resolve } = this.#waiting;
      this.#waiting = undefined;
      resolve(event);
    } else if (this.#events.length < 2 * EVENTS_UNTAKEN_MAX) this.#events.push(event);
    else this.fail(new MeshError("MESH_LIMIT", { message: "the worker sends too many events" }));
  }

  /** After what was pushed before. */
  fail(error: MeshError): void {
    this.#error ??= error;
    this.#waiting?.reject(this.#error);
    this.#waiting = undefined;
  }

  next(): Promise<GenerationEvent> {
    this.#tellTaken();
    const event = this.#events.shift();
    if (event !== undefined) return Promise.resolve(event);
    if (this.#error !== undefined) return Promise.reject(this.#error);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  /** In lots: a message for each event would be one more message for each token. */
  #tellTaken(): void {
    this.#taken++;
    if (this.#taken < TAKEN_LOT) return;
    this.#onTaken(this.#taken);
    this.#taken = 0;
  }
}

const TAKEN_LOT = EVENTS_UNTAKEN_MAX / 4;
