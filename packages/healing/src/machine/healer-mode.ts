/**
 * Whether the healer acts: what the configuration says, and what people decided since. A pause is
 * measured by the monotonic clock: setting the time of day neither ends nor prolongs it. Only from
 * one run of the daemon to the next its end is told by the time of day.
 */
import type { HealerMode } from "../healer-service.js";
import type { HealerSettings } from "../knowledge.js";
import type { Now } from "./healer-events.js";

/** A year: longer is for ever, which has a name of its own. */
const PAUSE_MS_MAX = 365 * 86_400_000;

export class ModeSwitch {
  readonly #configured: "acting" | "dry-run";
  #dryRun: boolean;
  /** Monotonic. */
  #pausedUntilMs: number | "for-ever" | undefined;

  constructor(configured: "acting" | "dry-run") {
    this.#configured = configured;
    this.#dryRun = configured === "dry-run";
  }

  get mode(): HealerMode {
    if (this.#pausedUntilMs !== undefined) return "paused";
    return this.#dryRun ? "dry-run" : "acting";
  }

  /** Wall clock; undefined while it is not paused, or for ever. */
  pausedUntilMs({ monotonicMs, wallMs }: Now): number | undefined {
    if (typeof this.#pausedUntilMs !== "number") return undefined;
    return Math.round(this.#pausedUntilMs - monotonicMs + wallMs);
  }

  /** What was decided holds until the configuration says something else than it did then. */
  load(settings: HealerSettings | undefined, now: Now): void {
    if (settings?.configured !== this.#configured) return;
    this.#dryRun = settings.dryRun;
    const { pausedUntilMs: until } = settings;
    if (until === undefined) this.resume();
    else this.pause(until === "for-ever" ? undefined : until - now.wallMs, now);
  }

  /** For so long, or until `resume`. */
  pause(forMs: number | undefined, { monotonicMs }: Now): void {
    const lastsMs = forMs === undefined ? undefined : Math.min(forMs, PAUSE_MS_MAX);
    this.#pausedUntilMs = lastsMs === undefined ? "for-ever" : monotonicMs + lastsMs;
  }

  resume(): void {
    this.#pausedUntilMs = undefined;
  }

  setDryRun(on: boolean): void {
    this.#dryRun = on;
  }

  /** True when a pause ended with this look at the clock. */
  endsPause({ monotonicMs }: Now): boolean {
    if (typeof this.#pausedUntilMs !== "number" || monotonicMs < this.#pausedUntilMs) return false;
    this.#pausedUntilMs = undefined;
    return true;
  }

  settings(now: Now): HealerSettings {
    const isForEver = this.#pausedUntilMs === "for-ever";
    const paused = isForEver ? ("for-ever" as const) : this.pausedUntilMs(now);
    return {
      v: 1,
      configured: this.#configured,
      dryRun: this.#dryRun,
      ...(paused === undefined ? {} : { pausedUntilMs: paused }),
    };
  }
}
