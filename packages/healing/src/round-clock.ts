/**
 * Calls a round every so often, never two at a time, and sooner when it is woken: all who wake it
 * within `WAKE_GAP_MS` share one round.
 */
import type { Clock, Timer } from "@hearthmesh/core";
import { WAKE_GAP_MS } from "./limits.js";

export class RoundClock {
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #round: () => Promise<void>;
  #timer: Timer | undefined;
  #dueAtMs = 0;
  #state: "off" | "waiting" | "running" = "off";
  #isWoken = false;
  #count = 0;

  constructor(clock: Clock, everyMs: number, round: () => Promise<void>) {
    this.#clock = clock;
    this.#everyMs = everyMs;
    this.#round = round;
  }

  /** Rounds that ended. */
  get count(): number {
    return this.#count;
  }

  start(): void {
    if (this.#state === "off") this.#waitFor(this.#everyMs);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#state = "off";
  }

  wake(): void {
    if (this.#state === "running") this.#isWoken = true;
    const soon = this.#clock.monotonicMs() + WAKE_GAP_MS;
    if (this.#state === "waiting" && this.#dueAtMs > soon) this.#waitFor(WAKE_GAP_MS);
  }

  #waitFor(delayMs: number): void {
    this.#timer?.cancel();
    this.#state = "waiting";
    this.#dueAtMs = this.#clock.monotonicMs() + delayMs;
    this.#timer = this.#clock.setTimeout(() => void this.#run(), delayMs);
  }

  async #run(): Promise<void> {
    const beganAtMs = this.#clock.monotonicMs();
    this.#state = "running";
    this.#isWoken = false;
    await this.#round();
    this.#count++;
    if (this.#state !== "running") return;
    const tookMs = this.#clock.monotonicMs() - beganAtMs;
    const restMs = Math.max(WAKE_GAP_MS, this.#everyMs - tookMs);
    this.#waitFor(this.#isWoken ? WAKE_GAP_MS : restMs);
  }
}
