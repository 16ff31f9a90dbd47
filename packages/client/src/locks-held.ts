/** A lock that is held: renewed in the background until it is released or lost. */
import { type Clock, isMeshError, MeshError, type Timer } from "@hearthmesh/core";
import { LockHold } from "./locks-hold.js";

export interface HeldLockParts {
  readonly name: string;
  readonly token: number;
  readonly ttlMs: number;
  /** Monotonic: when the request was sent that got the lock, or renewed it last. */
  readonly sentAtMs: number;
  readonly clock: Clock;
  /** Throws `MESH_LOCK_LOST` when it is not held any more. */
  renew(signal: AbortSignal): Promise<void>;
  release(): Promise<void>;
}

/** Errors after which the lock is not ours, however often one asks. */
const FINAL = ["MESH_LOCK_LOST", "MESH_FORBIDDEN", "MESH_UNAUTHENTICATED", "MESH_CERT_REVOKED"];

export class HeldLock {
  readonly name: string;
  /** Grows with every holder: hand it to whatever the lock protects, which refuses older ones. */
  readonly token: number;
  readonly ttlMs: number;
  readonly #parts: HeldLockParts;
  readonly #hold: LockHold;
  readonly #lost = new AbortController();
  /** Ends what renews it. */
  readonly #end = new AbortController();
  #timer: Timer | undefined;
  #isReleased = false;

  constructor(parts: HeldLockParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.token = parts.token;
    this.ttlMs = parts.ttlMs;
    this.#hold = new LockHold(parts.ttlMs, parts.sentAtMs);
    this.#go();
  }

  /** Aborted with `MESH_LOCK_LOST` as soon as somebody else may hold the lock. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** `MESH_LOCK_LOST` when it was not held any more; then what was done under it is in doubt. */
  async release(): Promise<void> {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#stop();
    this.lost.throwIfAborted();
    await this.#parts.release();
  }

  #go(): void {
    const { clock } = this.#parts;
    this.#timer?.cancel();
    if (this.#isReleased || this.lost.aborted) return;
    const nowMs = clock.monotonicMs();
    const step = this.#hold.next(nowMs);
    if (step.do === "lose") {
      this.#lose();
      return;
    }
    if (step.do === "renew") void this.#renew(step.deadlineMs);
    const untilMs = step.do === "renew" ? step.deadlineMs : step.untilMs;
    // While a renewal is under way, this timer is the deadline.
    this.#timer = clock.setTimeout(() => {
      if (step.do === "renew") this.#lose();
      else this.#go();
    }, untilMs - nowMs);
  }

  async #renew(deadlineMs: number): Promise<void> {
    const { clock, renew } = this.#parts;
    const sentAtMs = clock.monotonicMs();
    try {
      await renew(this.#end.signal);
      this.#hold.renewed(sentAtMs);
    } catch (error) {
      const isFinal = isMeshError(error) && FINAL.includes(error.code);
      if (isFinal) this.#hold.refused();
      else this.#hold.failed(Math.min(clock.monotonicMs(), deadlineMs));
    }
    this.#go();
  }

  #lose(): void {
    if (this.#isReleased || this.lost.aborted) return;
    this.#stop();
    this.#lost.abort(
      new MeshError("MESH_LOCK_LOST", {
        message: `the lock ${JSON.stringify(this.name)} was lost`,
      }),
    );
  }

  #stop(): void {
    this.#timer?.cancel();
    this.#end.abort();
  }
}
