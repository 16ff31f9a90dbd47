/**
 * What time it is at the coordinator, as far as a node can tell: the coordinator says its time in
 * every answer, and the node counts on from there with its steady clock. Tickets end by the
 * coordinator's clock, so a node whose own clock is days off judges them right, and a jump of its
 * clock changes nothing.
 *
 * The error is at most half of the round trip of the last answer, plus what two steady clocks drift
 * apart between two reports: far less than `TICKET_VALIDITY_MS`.
 */
import type { Clock } from "@hearthmesh/core";

/** Own and the coordinator's clock apart by more than this: worth telling the operator. */
export const CLOCKS_APART_MS = 60_000;

export class CoordinatorTime {
  readonly #clock: Clock;
  #heard: { readonly coordinatorMs: number; readonly atMs: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * An answer that was asked for at `askedMs` (steady clock) and has just come says that it is
   * `coordinatorMs` there. Without a number, as from an older coordinator, nothing changes.
   */
  heard(coordinatorMs: unknown, askedMs: number): void {
    if (typeof coordinatorMs !== "number" || !Number.isFinite(coordinatorMs)) return;
    this.#heard = { coordinatorMs, atMs: (askedMs + this.#clock.monotonicMs()) / 2 };
  }

  /** Wall clock of the coordinator; the own one before the first answer. */
  nowMs(): number {
    const heard = this.#heard;
    if (heard === undefined) return this.#clock.nowMs();
    return heard.coordinatorMs + (this.#clock.monotonicMs() - heard.atMs);
  }

  /** How far the own clock is ahead of the coordinator's; negative when it is behind. */
  get aheadMs(): number {
    return this.#clock.nowMs() - this.nowMs();
  }
}
