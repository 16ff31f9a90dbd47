/**
 * Why the tickets that are under way were given: when somebody's rights change, those who may not
 * any more are found. One row for each holder, principal, path and right, until the last ticket for
 * it ends by itself.
 *
 * Invariant: a ticket under way whose reason is gone is either found by `lost`, or was forgotten
 * for want of room; while that may be so, `lost` names everybody whose rights may have changed.
 */
import { type Clock, limits, type NodeId } from "@hearthmesh/core";
import type { Principal, Right } from "@hearthmesh/identity";
import type { AccessChange } from "../authority/access-news.js";

/** Why somebody gets a ticket. */
export interface TicketReason {
  readonly principal: Principal;
  readonly path: string;
  readonly right: Right;
}

interface Watched extends TicketReason {
  readonly holder: NodeId;
  readonly untilMs: number;
}

export class TicketWatch {
  readonly #clock: Clock;
  readonly #watched = new Map<string, Watched>();
  #forgottenUntilMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A ticket was given that ends in `lifeMs`. */
  given(holder: NodeId, { principal, path, right }: TicketReason, lifeMs: number): void {
    const key = [holder, principal.nodeId, principal.spiffeId, right, path].join(" ");
    const untilMs = this.#clock.monotonicMs() + lifeMs;
    // The newest is last, so that those that end first come first, nearly.
    this.#watched.delete(key);
    this.#watched.set(key, { holder, principal, path, right, untilMs });
    if (this.#watched.size > limits.TICKETS_WATCHED_MAX) this.#makeRoom();
  }

  /**
   * Holders whose tickets are to be taken back. `may` says whether a reason still holds;
   * `everybody` is true when one that was forgotten may be among them.
   */
  lost(
    change: AccessChange,
    may: (reason: TicketReason) => boolean,
  ): { holders: NodeId[]; everybody: boolean } {
    this.#forgetEnded();
    const holders = new Set<NodeId>();
    // Tickets are many and principals few: each is asked about once.
    const concerned = new Map<string, boolean>();
    const concerns = (principal: Principal): boolean => {
      const who = `${principal.nodeId} ${principal.spiffeId}`;
      const known = concerned.get(who) ?? change.concerns(principal);
      concerned.set(who, known);
      return known;
    };
    for (const [key, watched] of this.#watched) {
      if (!concerns(watched.principal) || may(watched)) continue;
      holders.add(watched.holder);
      this.#watched.delete(key);
    }
    const everybody = this.#clock.monotonicMs() < this.#forgottenUntilMs;
    return { holders: [...holders], everybody };
  }

  #makeRoom(): void {
    this.#forgetEnded();
    for (const [key, { untilMs }] of this.#watched) {
      if (this.#watched.size <= limits.TICKETS_WATCHED_MAX) return;
      this.#watched.delete(key);
      this.#forgottenUntilMs = Math.max(this.#forgottenUntilMs, untilMs);
    }
  }

  #forgetEnded(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [key, { untilMs }] of this.#watched) {
      if (untilMs < nowMs) this.#watched.delete(key);
    }
  }
}
