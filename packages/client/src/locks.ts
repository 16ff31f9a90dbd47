/**
 * Locks of a member: one holder at a time, each with a fencing token that is larger than all
 * before.
 *
 * ```ts
 * const locks = new LockClient({ door: api, clock, random });
 * await locks.withLock("jobs/nightly", { waitMs: 60_000 }, async ({ token, signal }) => {
 *   await keyValue.put("report", text, { fence: { lock: "jobs/nightly", token }, signal });
 * });
 * ```
 *
 * A lock alone does not stop a holder that was asleep while its lock ended. Pass `token` to what
 * the lock protects (`fence` of a write does it), and stop at `signal`.
 */
import { type Clock, isMeshError, type MeshError, type Random } from "@hearthmesh/core";
import type {
  LockAcquireRequest,
  LockHoldResponse,
  LockHoldView,
  LockInspectResponse,
  LocksResponse,
  LockTokenRequest,
  LockView,
} from "@hearthmesh/gateway/contracts";
import { readJson } from "./answers.js";
import type { KeyValueDoor } from "./key-value-types.js";
import { durationOf } from "./key-value-wire.js";
import { HeldLock } from "./locks-held.js";
import { queryOf } from "./query-text.js";
import { sleepAlive } from "./sleep-alive.js";

export interface LockOptions {
  /** The lock is lost when it was not renewed for this long. Default 30 s. */
  readonly ttlMs?: number;
  /** How long to wait while somebody else holds it; 0, the default: not at all. */
  readonly waitMs?: number;
  /** Who holds it, for people who look. */
  readonly holder?: string;
  /** Ends the waiting, and in `withLock` the work. */
  readonly signal?: AbortSignal;
}

export interface LockClientOptions {
  readonly door: KeyValueDoor;
  readonly clock: Clock;
  readonly random: Random;
}

const TTL_MS = 30_000;
/** One request waits so long; whoever waits longer asks again and goes to the end of the queue. */
const WAIT_MS_MAX = 60_000;
const ANSWER_TIMEOUT_MS = 15_000;
const PAUSE_MS_MAX = 1_000;
/** Share of the time to live after which silence is a failure of one renewal. */
const RENEW_TIMEOUT = 1 / 4;
const RENEW_TIMEOUT_MS_MIN = 500;

export class LockClient {
  readonly #options: LockClientOptions;

  constructor(options: LockClientOptions) {
    this.#options = options;
  }

  /**
   * Takes the lock and renews it in the background until it is released. `MESH_LOCK_TAKEN` when
   * somebody else has it at the end of the time.
   */
  async acquire(name: string, options: LockOptions = {}): Promise<HeldLock> {
    const { clock, random } = this.#options;
    const { waitMs = 0, signal } = options;
    const endMs = clock.monotonicMs() + waitMs;
    for (;;) {
      signal?.throwIfAborted();
      const leftMs = Math.max(0, endMs - clock.monotonicMs());
      try {
        return await this.#tryOnce(name, options, Math.min(leftMs, WAIT_MS_MAX));
      } catch (error) {
        signal?.throwIfAborted();
        const isOver = clock.monotonicMs() >= endMs;
        if (isOver || !isMeshError(error) || !mayCome(error)) throw error;
        // Before the whole time has passed there was a reason to answer: not at once again.
        await sleepAlive(clock, random.float() * PAUSE_MS_MAX, signal);
      }
    }
  }

  /**
   * Does the work while the lock is held, and releases it whatever happens. `signal` is aborted
   * when the lock is lost: the work must stop then, and the error is `MESH_LOCK_LOST`.
   */
  async withLock<Result>(
    name: string,
    options: LockOptions,
    work: (held: { token: number; signal: AbortSignal }) => Promise<Result>,
  ): Promise<Result> {
    const lock = await this.acquire(name, options);
    const { token, lost } = lock;
    const signal = options.signal === undefined ? lost : AbortSignal.any([lost, options.signal]);
    let result: Result;
    try {
      result = await work({ token, signal });
    } catch (error) {
      await lock.release().catch(() => undefined);
      lost.throwIfAborted();
      throw error;
    }
    await lock.release();
    return result;
  }

  /** Who holds a lock, and how many wait. */
  async inspect(name: string, options: { signal?: AbortSignal } = {}): Promise<LockView> {
    const path = `/api/locks/inspect${queryOf({ name })}`;
    return (await this.#call<LockInspectResponse>("GET", path, undefined, options)).lock;
  }

  /** Locks that are held, in the order of their names. */
  async *list(
    prefix = "",
    options: { signal?: AbortSignal } = {},
  ): AsyncGenerator<LockView, void, undefined> {
    let after: string | undefined;
    for (;;) {
      const path = `/api/locks${queryOf({ prefix, after })}`;
      const page = await this.#call<LocksResponse>("GET", path, undefined, options);
      yield* page.locks;
      after = page.locks.at(-1)?.name;
      if (!page.more || after === undefined) return;
    }
  }

  /**
   * Ends a hold that is known by its token: one's own, or for the operator anybody's. The holder
   * finds out at its next renewal.
   */
  async release(name: string, token: number, options: { signal?: AbortSignal } = {}) {
    const body: LockTokenRequest = { name, token };
    await this.#call("POST", "/api/locks/release", body, options);
  }

  /** A second time when nobody knows whether the first arrived; then it may be gone already. */
  async #giveBack(name: string, token: number): Promise<void> {
    try {
      await this.release(name, token);
    } catch (error) {
      if (!isMeshError(error, "MESH_UNREACHABLE") && !isMeshError(error, "MESH_TIMEOUT")) {
        throw error;
      }
      await this.release(name, token).catch((again: unknown) => {
        if (!isMeshError(again, "MESH_LOCK_LOST")) throw again;
      });
    }
  }

  async #tryOnce(name: string, options: LockOptions, waitMs: number): Promise<HeldLock> {
    const { clock } = this.#options;
    const { ttlMs = TTL_MS, holder, signal } = options;
    const wait = waitMs === 0 ? undefined : durationOf(waitMs);
    const body: LockAcquireRequest = {
      name,
      ttl: durationOf(ttlMs) ?? "",
      ...(wait === undefined ? {} : { wait }),
      ...(holder === undefined ? {} : { holder }),
    };
    let sentAtMs = clock.monotonicMs();
    const { held } = await this.#call<LockHoldResponse>("POST", "/api/locks/acquire", body, {
      ...(signal === undefined ? {} : { signal }),
      idleTimeoutMs: waitMs + ANSWER_TIMEOUT_MS,
    });
    const renew = (end: AbortSignal) => this.#renew(held, end);
    if (clock.monotonicMs() - sentAtMs > held.ttlMs / 4) {
      // The time began somewhere in the waiting; from here on it is known.
      sentAtMs = clock.monotonicMs();
      await renew(signal ?? new AbortController().signal);
    }
    const release = () => this.#giveBack(held.name, held.token);
    return new HeldLock({ ...held, sentAtMs, clock, renew, release });
  }

  async #renew({ name, token, ttlMs }: LockHoldView, signal: AbortSignal): Promise<void> {
    const idleTimeoutMs = Math.max(RENEW_TIMEOUT_MS_MIN, ttlMs * RENEW_TIMEOUT);
    const more = { signal, isRepeatable: true, idleTimeoutMs };
    await this.#call("POST", "/api/locks/renew", { name, token }, more);
  }

  async #call<Answer>(
    method: string,
    path: string,
    body: object | undefined,
    more: { signal?: AbortSignal; isRepeatable?: boolean; idleTimeoutMs?: number },
  ): Promise<Answer> {
    const content =
      body === undefined
        ? {}
        : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    const request = { method, path, idleTimeoutMs: ANSWER_TIMEOUT_MS, ...content, ...more };
    return readJson<Answer>(await this.#options.door.send(request));
  }
}

/** Whether waiting on may bring the lock; one that was got without our knowledge ends by itself. */
function mayCome(error: MeshError): boolean {
  const codes = ["MESH_LOCK_TAKEN", "MESH_LOCK_LOST", "MESH_UNREACHABLE", "MESH_TIMEOUT"];
  const passing = ["MESH_STOPPING", "MESH_NOT_LEADER", "MESH_STORE_UNAVAILABLE"];
  return codes.includes(error.code) || passing.includes(error.code);
}
