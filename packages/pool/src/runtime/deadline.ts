/** A signal that ends by the clock that was handed in; `AbortSignal.timeout` knows none. */
import { type Clock, MeshError } from "@hearthmesh/core";

export interface Deadline {
  /** Aborted with `MESH_TIMEOUT` when the time is over, or with the reason of the signal before. */
  readonly signal: AbortSignal;
  /** Nobody waits any more. */
  cancel(): void;
}

export function deadline(clock: Clock, afterMs: number, signal?: AbortSignal): Deadline {
  const late = new AbortController();
  const timer = clock.setTimeout(() => late.abort(new MeshError("MESH_TIMEOUT")), afterMs);
  return {
    signal: signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]),
    cancel: () => timer.cancel(),
  };
}
