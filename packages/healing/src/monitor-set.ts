/**
 * Asks the monitors, each at most once at a time, and never waits for a slow one: what it says
 * comes with a later round. Reads no clock but the one it is handed.
 */
import { type Clock, errorFields } from "@hearthmesh/core";
import type { Fact, Monitor } from "./fact.js";
import { FACTS_PER_MONITOR_MAX, LOOK_MS_MAX, LOOK_PATIENCE_MS } from "./limits.js";

/** What came of one look. */
export interface Look {
  readonly monitor: string;
  readonly facts: readonly Fact[];
  /** Why nothing, or not all, is known; then its subjects are unknown. */
  readonly failure?: string;
}

export class MonitorSet {
  readonly #clock: Clock;
  readonly #monitors: Monitor[] = [];
  readonly #looking = new Map<string, AbortController>();
  #done: Look[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Names are unique: a second monitor of the same name is a mistake of the program. */
  add(monitor: Monitor): void {
    if (this.#monitors.some(({ name }) => name === monitor.name)) {
      throw new Error(`two monitors have the name ${monitor.name}`);
    }
    this.#monitors.push(monitor);
  }

  names(): string[] {
    return this.#monitors.map(({ name }) => name);
  }

  /** Calls `wake` when one of them saw something; returns how to end that. */
  watch(wake: () => void): () => void {
    const ends = this.#monitors.map((monitor) => monitor.watch?.(wake));
    return () => {
      for (const end of ends) end?.();
    };
  }

  /** Begins a look of all that do not look already; returns what is there after a short while. */
  async lookAll(patienceMs = LOOK_PATIENCE_MS): Promise<Look[]> {
    const idle = this.#monitors.filter(({ name }) => !this.#looking.has(name));
    const looks = Promise.all(idle.map((monitor) => this.#look(monitor)));
    await withinMs(this.#clock, looks, patienceMs);
    return this.#done.splice(0);
  }

  /** Ends the looks that are under way. */
  abort(): void {
    for (const controller of this.#looking.values()) controller.abort(new Error("it was stopped"));
  }

  async #look(monitor: Monitor): Promise<void> {
    const { name } = monitor;
    const controller = new AbortController();
    this.#looking.set(name, controller);
    const timer = this.#clock.setTimeout(() => {
      const reason = new Error(`it did not answer within ${LOOK_MS_MAX / 1000} s`);
      this.#done.push({ monitor: name, facts: [], failure: reason.message });
      controller.abort(reason);
    }, LOOK_MS_MAX);
    try {
      const facts = await monitor.look(controller.signal);
      // After its time it was told as failed already.
      if (!controller.signal.aborted) this.#done.push(bounded(name, facts));
    } catch (error) {
      const failure = errorFields(error).reason ?? "it failed";
      if (!controller.signal.aborted) this.#done.push({ monitor: name, facts: [], failure });
    } finally {
      timer.cancel();
      this.#looking.delete(name);
    }
  }
}

function bounded(monitor: string, facts: readonly Fact[]): Look {
  if (facts.length <= FACTS_PER_MONITOR_MAX) return { monitor, facts };
  const failure = `it told ${facts.length} facts; ${FACTS_PER_MONITOR_MAX} are looked at`;
  return { monitor, facts: facts.slice(0, FACTS_PER_MONITOR_MAX), failure };
}

/** Ends with the promise or after so long, whichever is first. */
async function withinMs(clock: Clock, promise: Promise<unknown>, delayMs: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = clock.setTimeout(resolve, delayMs);
    void promise.then(() => {
      timer.cancel();
      resolve();
    });
  });
}
