/** Whether the healer acts: what the configuration says, and what people decided since. */
import type { HealerMode } from "../healer-service.js";
import type { HealerSettings } from "../knowledge.js";

export class ModeSwitch {
  readonly #configured: "acting" | "dry-run";
  #dryRun: boolean;
  #pausedUntilMs: number | "for-ever" | undefined;

  constructor(configured: "acting" | "dry-run") {
    this.#configured = configured;
    this.#dryRun = configured === "dry-run";
  }

  get mode(): HealerMode {
    if (this.#pausedUntilMs !== undefined) return "paused";
    return this.#dryRun ? "dry-run" : "acting";
  }

  get isDryRun(): boolean {
    return this.#dryRun;
  }

  /** Wall clock; undefined while it is not paused, or for ever. */
  get pausedUntilMs(): number | undefined {
    return this.#pausedUntilMs === "for-ever" ? undefined : this.#pausedUntilMs;
  }

  /** What was decided holds until the configuration says something else than it did then. */
  load(settings: HealerSettings | undefined): void {
    if (settings?.configured !== this.#configured) return;
    this.#dryRun = settings.dryRun;
    this.#pausedUntilMs = settings.pausedUntilMs;
  }

  pause(untilMs: number | "for-ever"): void {
    this.#pausedUntilMs = untilMs;
  }

  resume(): void {
    this.#pausedUntilMs = undefined;
  }

  setDryRun(on: boolean): void {
    this.#dryRun = on;
  }

  /** True when a pause ended with this look at the clock. */
  endsPause(wallMs: number): boolean {
    if (typeof this.#pausedUntilMs !== "number" || wallMs < this.#pausedUntilMs) return false;
    this.#pausedUntilMs = undefined;
    return true;
  }

  settings(): HealerSettings {
    const paused = this.#pausedUntilMs;
    return {
      v: 1,
      configured: this.#configured,
      dryRun: this.#dryRun,
      ...(paused === undefined ? {} : { pausedUntilMs: paused }),
    };
  }
}
