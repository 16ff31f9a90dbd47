/**
 * One attempt for each key, however many wait for it. A waiter that gives up leaves the others
 * waiting; the attempt is given up when the last one has left.
 */
import { MeshError } from "@hearthmesh/core";

interface Flight<Value> {
  readonly result: Promise<Value>;
  readonly controller: AbortController;
  waiters: number;
}

export class SingleFlight<Key, Value> {
  readonly #flights = new Map<Key, Flight<Value>>();
  readonly #flightsMax: number;

  constructor(flightsMax: number) {
    this.#flightsMax = flightsMax;
  }

  get size(): number {
    return this.#flights.size;
  }

  /** Rejects with `MESH_LIMIT` when too many are under way, or with the reason of `signal`. */
  async run(
    key: Key,
    signal: AbortSignal | undefined,
    start: (signal: AbortSignal) => Promise<Value>,
  ): Promise<Value> {
    signal?.throwIfAborted();
    const flight = this.#flights.get(key) ?? this.#begin(key, start);
    flight.waiters++;
    let onAbort = () => {};
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => reject(signal?.reason);
    });
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.race([flight.result, aborted]);
    } finally {
      signal?.removeEventListener("abort", onAbort);
      if (--flight.waiters === 0) this.#leave(key, flight);
    }
  }

  /** Gives all of them up. */
  abort(reason: Error): void {
    for (const { controller } of this.#flights.values()) controller.abort(reason);
  }

  #begin(key: Key, start: (signal: AbortSignal) => Promise<Value>): Flight<Value> {
    if (this.#flights.size >= this.#flightsMax) {
      const message = `more than ${this.#flightsMax} nodes are being linked to`;
      throw new MeshError("MESH_LIMIT", { message });
    }
    const controller = new AbortController();
    const flight = { result: start(controller.signal), controller, waiters: 0 };
    this.#flights.set(key, flight);
    const over = () => this.#forget(key, flight);
    flight.result.then(over, over);
    return flight;
  }

  #leave(key: Key, flight: Flight<Value>): void {
    this.#forget(key, flight);
    flight.controller.abort(new MeshError("MESH_CANCELLED"));
  }

  #forget(key: Key, flight: Flight<Value>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}
