/**
 * Whether the member's store takes what is written: a key is set and read back, with a deadline.
 * Runs on every coordinator, for a store that fails elects no leader. Remembers how long the last
 * probes took: that is how a leader knows that it is slow.
 */
import { type Clock, MeshError } from "@hearthmesh/core";
import type { Fact, Monitor, Subject } from "@hearthmesh/healing";
import { factOf } from "./fact-of.js";
import {
  STORE_PROBE_AGAIN_MS,
  STORE_PROBE_MS,
  STORE_PROBE_MS_MAX,
  STORE_SLOW_PROBES,
} from "./limits.js";

export interface StoreProbeOptions {
  readonly clock: Clock;
  /** Sets a key and reads it back. */
  probe(): Promise<void>;
}

interface Probed {
  readonly atMs: number;
  readonly tookMs: number;
  readonly failure: string | undefined;
}

const SUBJECT: Subject = { type: "store", id: "member", name: "the member's store" };

export class StoreProbeMonitor implements Monitor {
  readonly name = "store";
  readonly #options: StoreProbeOptions;
  /** The newest last. */
  #probed: Probed[] = [];
  /** A probe that does not answer must not be joined by more of them. */
  #open = false;

  constructor(options: StoreProbeOptions) {
    this.#options = options;
  }

  /** Median of the last probes that succeeded; undefined before there were enough. */
  get latencyMs(): number | undefined {
    if (this.#probed.length < STORE_SLOW_PROBES) return undefined;
    const times = this.#probed.map(({ tookMs }) => tookMs).sort((a, b) => a - b);
    return times[Math.floor(times.length / 2)];
  }

  async look(): Promise<readonly Fact[]> {
    const { clock } = this.#options;
    const last = this.#probed.at(-1);
    const everyMs = last?.failure === undefined ? STORE_PROBE_MS : STORE_PROBE_AGAIN_MS;
    const isDue = last === undefined || clock.monotonicMs() - last.atMs >= everyMs;
    const probed = isDue ? await this.#probe() : last;
    const { failure, tookMs } = probed;
    if (failure !== undefined)
      return [factOf("store-failing", SUBJECT, "ill", failure, { tookMs })];
    const took = `a key was set and read back in ${Math.round(tookMs)} ms`;
    return [factOf("store-failing", SUBJECT, "well", took, { tookMs })];
  }

  async #probe(): Promise<Probed> {
    const { clock } = this.#options;
    const beganMs = clock.monotonicMs();
    const failure = await this.#attempt();
    const atMs = clock.monotonicMs();
    const probed = { atMs, tookMs: atMs - beganMs, failure };
    this.#probed = [...this.#probed, probed].slice(-STORE_SLOW_PROBES);
    return probed;
  }

  /** Why it failed. */
  async #attempt(): Promise<string | undefined> {
    const late = `a key could not be set and read back within ${STORE_PROBE_MS_MAX / 1000} s`;
    if (this.#open) return `${late}; the last attempt is still open`;
    const { clock, probe } = this.#options;
    this.#open = true;
    const answered = probe().finally(() => {
      this.#open = false;
    });
    const deadline = new Promise<never>((_resolve, reject) => {
      const timer = clock.setTimeout(
        () => reject(new MeshError("MESH_TIMEOUT", { message: late })),
        STORE_PROBE_MS_MAX,
      );
      void answered.then(
        () => timer.cancel(),
        () => timer.cancel(),
      );
    });
    try {
      await Promise.race([answered, deadline]);
      return undefined;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return reason === late ? late : `a key could not be set and read back: ${reason}`;
    }
  }
}
