/**
 * The open leases of one store and when they end, by the clock that was handed in. A lease whose
 * time has passed is dead at once, also while its keys still wait to be deleted: it never comes
 * back.
 */
import type { Clock, Timer } from "@hearthmesh/core";
import { leaseEndedError } from "./validate.js";

/** Node's timers take 31 bits; a longer wait is done in parts. */
const TIMER_DELAY_MS_MAX = 2 ** 31 - 1;

interface OpenLease {
  readonly ttlMs: number;
  deadlineMs: number;
}

export interface LeaseBookOptions {
  readonly clock: Clock;
  /** Called with the leases whose time has passed; they stay in the book until `remove`. */
  readonly onDue: (leaseIds: readonly number[]) => void;
}

export class LeaseBook {
  readonly #clock: Clock;
  readonly #onDue: (leaseIds: readonly number[]) => void;
  readonly #leases = new Map<number, OpenLease>();
  #timer: { handle: Timer; atMs: number } | undefined;
  #closed = false;

  constructor({ clock, onDue }: LeaseBookOptions) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** The time starts now. */
  add(leaseId: number, ttlMs: number): void {
    const deadlineMs = this.#clock.monotonicMs() + ttlMs;
    this.#leases.set(leaseId, { ttlMs, deadlineMs });
    this.#armBy(deadlineMs);
  }

  remove(leaseId: number): void {
    this.#leases.delete(leaseId);
  }

  isAlive(leaseId: number): boolean {
    const lease = this.#leases.get(leaseId);
    return lease !== undefined && lease.deadlineMs > this.#clock.monotonicMs();
  }

  /** Time to live of a lease that is alive. */
  ttlMs(leaseId: number): number | undefined {
    return this.isAlive(leaseId) ? this.#leases.get(leaseId)?.ttlMs : undefined;
  }

  mustBeAlive(leaseId: number): void {
    if (!this.isAlive(leaseId)) throw leaseEndedError(leaseId);
  }

  /** Starts the time anew; `MESH_STORE_LEASE_UNKNOWN` when the lease has ended. */
  keepAlive(leaseId: number): void {
    this.mustBeAlive(leaseId);
    const lease = this.#leases.get(leaseId);
    if (lease !== undefined) lease.deadlineMs = this.#clock.monotonicMs() + lease.ttlMs;
  }

  /** Asks again for the leases that are due, when deleting their keys failed. */
  retryAfter(delayMs: number): void {
    this.#armBy(this.#clock.monotonicMs() + delayMs);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.handle.cancel();
    this.#timer = undefined;
  }

  #armBy(atMs: number): void {
    if (this.#closed || (this.#timer !== undefined && this.#timer.atMs <= atMs)) return;
    this.#timer?.handle.cancel();
    const delayMs = Math.max(0, atMs - this.#clock.monotonicMs());
    const handle = this.#clock.setTimeout(
      () => this.#check(),
      Math.min(Math.ceil(delayMs), TIMER_DELAY_MS_MAX),
    );
    this.#timer = { handle, atMs };
  }

  #check(): void {
    this.#timer = undefined;
    const nowMs = this.#clock.monotonicMs();
    const due: number[] = [];
    let earliestMs = Number.POSITIVE_INFINITY;
    for (const [leaseId, lease] of this.#leases) {
      if (lease.deadlineMs <= nowMs) due.push(leaseId);
      else earliestMs = Math.min(earliestMs, lease.deadlineMs);
    }
    if (earliestMs < Number.POSITIVE_INFINITY) this.#armBy(earliestMs);
    if (due.length > 0) this.#onDue(due);
  }
}
