/** Waiting in the queue of a lock: for the one before to go, without asking again and again. */
import { type Clock, isMeshError, type Timer } from "@hearthmesh/core";
import type { Store } from "@hearthmesh/store";
import { onlyKey } from "./keys.js";
import type { QueueEntry } from "./lock-queue.js";

/**
 * Resolves when the key may be gone, at the latest when the signal is aborted. `fromRevision` is
 * the one after that at which it was there.
 */
export async function untilGone(
  store: Store,
  { storeKey }: QueueEntry,
  { fromRevision, signal }: { readonly fromRevision: number; readonly signal: AbortSignal },
): Promise<void> {
  try {
    for await (const { events } of store.watch(onlyKey(storeKey), { fromRevision, signal })) {
      if (events.some((event) => event.type === "delete")) return;
    }
  } catch (error) {
    // The history since then is gone: the queue itself says how it stands now.
    if (!isMeshError(error, "MESH_STORE_COMPACTED")) throw error;
  }
}

/** Calls again and again, with a pause after each call has ended, until it is stopped. */
export class Repeater {
  readonly #clock: Clock;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `call` answers whether to go on, and does not throw. */
  start(pauseMs: number, call: () => Promise<boolean>): void {
    this.#timer = this.#clock.setTimeout(() => {
      call().then(
        (goOn) => {
          if (goOn && !this.#stopped) this.start(pauseMs, call);
        },
        () => undefined,
      );
    }, pauseMs);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }
}
