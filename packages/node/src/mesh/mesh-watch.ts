/**
 * Looks at this machine and at what membership refused, every few seconds: addresses that came or
 * went, a clock that was set or stood still with the machine, and others that misbehave. What it
 * sees it logs; the mesh is told to look around.
 */
import type { Clock, Logger, Startable, Timer } from "@hearthmesh/core";
import type { SwimRuntime } from "@hearthmesh/membership";

const LOOK_MS = 5_000;
/** The wall clock may run this far from the monotonic one between two looks. */
const CLOCK_STEP_MS_MIN = 2_000;
/** Refusals are told of this often, and only above so many: a few are the weather. */
const REFUSALS_TOLD_MS = 60_000;
const REFUSALS_MIN = 20;

export interface MeshWatchOptions {
  readonly swim: Pick<SwimRuntime, "counters">;
  /** Where others reach this node now. */
  addresses(): readonly string[];
  /** Addresses are other ones, or the machine was asleep. */
  onChanged(): void;
  readonly clock: Clock;
  readonly log: Logger;
}

export class MeshWatch implements Startable {
  readonly name = "mesh watch";
  readonly #options: MeshWatchOptions;
  #timer: Timer | undefined;
  #addresses = "";
  #offsetMs = 0;
  #refused = new Map<string, number>();
  #refusalsToldMs = 0;

  constructor(options: MeshWatchOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { clock } = this.#options;
    this.#addresses = this.#options.addresses().join(" ");
    this.#offsetMs = clock.nowMs() - clock.monotonicMs();
    this.#refusalsToldMs = clock.monotonicMs();
    this.#later();
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
  }

  /** One look; called by its timer. */
  look(): void {
    const isOther = this.#lookAtAddresses();
    const wasSet = this.#lookAtClock();
    this.#lookAtRefusals();
    if (isOther || wasSet) this.#options.onChanged();
  }

  #later(): void {
    this.#timer = this.#options.clock.setTimeout(() => {
      this.look();
      this.#later();
    }, LOOK_MS);
  }

  #lookAtAddresses(): boolean {
    const now = this.#options.addresses().join(" ");
    if (now === this.#addresses) return false;
    this.#addresses = now;
    this.#options.log.info("the addresses of this machine have changed", { listenAddress: now });
    return true;
  }

  #lookAtClock(): boolean {
    const { clock, log } = this.#options;
    const offsetMs = clock.nowMs() - clock.monotonicMs();
    const stepMs = offsetMs - this.#offsetMs;
    this.#offsetMs = offsetMs;
    if (Math.abs(stepMs) < CLOCK_STEP_MS_MIN) return false;
    const seconds = Math.round(Math.abs(stepMs) / 1000);
    const reason = `${seconds} s ${stepMs > 0 ? "forward" : "back"}`;
    log.warn("the clock of this machine was set, or the machine was asleep", { reason });
    return true;
  }

  #lookAtRefusals(): void {
    const { clock, log, swim } = this.#options;
    if (clock.monotonicMs() - this.#refusalsToldMs < REFUSALS_TOLD_MS) return;
    this.#refusalsToldMs = clock.monotonicMs();
    const now = new Map(Object.entries(swim.counters.refused));
    const news = [...now].map(([what, count]): [string, number] => [
      what,
      count - (this.#refused.get(what) ?? 0),
    ]);
    this.#refused = now;
    const count = news.reduce((sum, [, added]) => sum + added, 0);
    if (count < REFUSALS_MIN) return;
    const told = news.filter(([, added]) => added > 0).map(([what, added]) => `${what} ${added}`);
    log.warn("messages of membership were refused", { count, reason: told.join(", ") });
  }
}
