/**
 * Whose tickets were taken back, for as long as one of them could still be good somewhere: nodes
 * that are away now are told when they register again.
 */
import { type Clock, limits } from "@hearthmesh/core";
import { EVERY_HOLDER, type TicketVoid } from "../storage/ticket-voids.js";

/** Twice the life of a ticket: nodes go by the coordinator's time, and only nearly. */
const KEPT_MS = 2 * limits.TICKET_VALIDITY_MS;

export class VoidBook {
  readonly #clock: Clock;
  readonly #voids = new Map<TicketVoid["holder"], { one: TicketVoid; atMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** When there is no room for one more holder, it is everybody's tickets. */
  add(holder: TicketVoid["holder"], issuedBeforeMs: number): TicketVoid {
    this.#forgetOld();
    const isFull = this.#voids.size >= limits.VOIDED_HOLDERS_MAX && !this.#voids.has(holder);
    const one: TicketVoid = { holder: isFull ? EVERY_HOLDER : holder, issuedBeforeMs };
    // Moments of the ticket clock only grow: what is for everybody holds for all before it.
    if (one.holder === EVERY_HOLDER) this.#voids.clear();
    this.#voids.delete(one.holder);
    this.#voids.set(one.holder, { one, atMs: this.#clock.monotonicMs() });
    return one;
  }

  /** Everything that a node that registers has to know. */
  live(): TicketVoid[] {
    this.#forgetOld();
    return [...this.#voids.values()].map(({ one }) => one);
  }

  /** In the order in which they came: the oldest are first. */
  #forgetOld(): void {
    const sinceMs = this.#clock.monotonicMs() - KEPT_MS;
    for (const [holder, { atMs }] of this.#voids) {
      if (atMs >= sinceMs) return;
      this.#voids.delete(holder);
    }
  }
}
