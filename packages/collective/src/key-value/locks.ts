/**
 * Locks of users: one holder at a time, in the order of asking, with a fencing token. The state is
 * in the store alone (`lock-queue.ts`), so that one may ask at one coordinator and release at
 * another. A holder that does not renew in time loses the lock when its lease ends; what it then
 * still writes is refused where the write carries the token (`fence`).
 */
import { MeshError } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import { jsonValue, put, remove } from "@hearthmesh/store";
import { accessOf, type KeyValueContext, lockLost, queueOf, runTransaction } from "./context.js";
import { leaseKey, lockPath, parseLockName, queueKey } from "./keys.js";
import { isLeaseUnknown } from "./leases.js";
import { LOCK_HOLDER_BYTES_MAX, LOCK_QUEUE_MAX, LOCK_TTL_MS_MAX } from "./limits.js";
import { holdOf, type LockRecord, lockInfo, type QueueEntry, turnOf } from "./lock-queue.js";
import { Repeater, untilGone } from "./lock-wait.js";
import type { AcquireOptions, LockHold, LockInfo } from "./types.js";
import { checkWait } from "./watches.js";

/** While one waits, its place is renewed after this part of its time to live. */
const RENEW_PART = 1 / 3;

/**
 * `MESH_LOCK_TAKEN` with who holds it, when it was not free in the time to wait; `MESH_LIMIT` when
 * too many wait; `MESH_LOCK_LOST` when the place in the queue was lost.
 */
export async function acquireLock(
  context: KeyValueContext,
  principal: Principal,
  text: string,
  options: AcquireOptions,
): Promise<LockHold> {
  const name = parseLockName(text);
  accessOf(context, principal).require(lockPath(name), "write");
  const { ttlMs, waitMs = 0, holder = "", signal } = options;
  checkWait(waitMs);
  checkHolder(holder);
  const before = (await queueOf(context, name)).entries;
  const [taken] = before;
  if (taken !== undefined && waitMs === 0) throw lockTaken(name, taken);
  if (before.length >= LOCK_QUEUE_MAX) throw queueFull(name);
  const ending = new AbortController();
  const end = () => ending.abort(new MeshError("MESH_STOPPING"));
  const leave = waitMs === 0 ? () => undefined : context.places.enter(principal, end);
  try {
    const record: LockRecord = {
      v: 1,
      owner: principal.nodeId,
      spiffeId: principal.spiffeId,
      holder,
      ttlMs,
      askedAtMs: context.clock.nowMs(),
    };
    const request = { ttlMs, purpose: "lock" as const, ttlMsMax: LOCK_TTL_MS_MAX };
    const { leaseId, result } = await context.leases.grant(principal, request, (id, lease) => {
      const place = put(queueKey(name, id), jsonValue(record), id);
      return runTransaction(context, { success: [place, lease] });
    });
    const mine = { storeKey: queueKey(name, leaseId), token: result.revision, leaseId, record };
    const signals = [ending.signal, ...(signal === undefined ? [] : [signal])];
    return await new LockTurn(context, name, mine).take(waitMs, AbortSignal.any(signals));
  } finally {
    leave();
  }
}

/** Starts its time anew. `MESH_LOCK_LOST` unless the caller holds it, or is an operator. */
export async function renewLock(
  context: KeyValueContext,
  principal: Principal,
  text: string,
  token: number,
): Promise<LockHold> {
  const name = parseLockName(text);
  accessOf(context, principal).require(lockPath(name), "write");
  const mine = await heldBy(context, principal, name, token);
  try {
    await context.leases.keepAlive(mine.leaseId);
  } catch (error) {
    throw isLeaseUnknown(error) ? lockLost(name, token) : error;
  }
  return holdOf(name, mine);
}

/** Also for one whose grant has ended. `MESH_LOCK_LOST` as `renewLock`. */
export async function releaseLock(
  context: KeyValueContext,
  principal: Principal,
  text: string,
  token: number,
): Promise<void> {
  const name = parseLockName(text);
  context.policy.check(principal);
  const mine = await heldBy(context, principal, name, token);
  const { succeeded } = await runTransaction(context, {
    compare: [{ key: mine.storeKey, target: "createRevision", is: "=", value: token }],
    success: [remove(mine.storeKey), remove(leaseKey(mine.leaseId))],
  });
  if (!succeeded) throw lockLost(name, token);
  await context.leases.end(mine.leaseId);
}

export async function inspectLock(
  context: KeyValueContext,
  principal: Principal,
  text: string,
): Promise<LockInfo> {
  const name = parseLockName(text);
  accessOf(context, principal).require(lockPath(name), "read");
  return lockInfo(name, (await queueOf(context, name)).entries);
}

async function heldBy(
  context: KeyValueContext,
  principal: Principal,
  name: string,
  token: number,
): Promise<QueueEntry> {
  const [holder] = (await queueOf(context, name)).entries;
  const may = holder?.record.owner === principal.nodeId || principal.kind === "coordinator";
  if (holder === undefined || holder.token !== token || !may) throw lockLost(name, token);
  return holder;
}

/** One place in the queue, from the asking to the holding. */
class LockTurn {
  readonly #context: KeyValueContext;
  readonly #name: string;
  readonly #mine: QueueEntry;

  constructor(context: KeyValueContext, name: string, mine: QueueEntry) {
    this.#context = context;
    this.#name = name;
    this.#mine = mine;
  }

  /** Leaves the queue again when it throws. */
  async take(waitMs: number, caller: AbortSignal): Promise<LockHold> {
    const over = new AbortController();
    const timer = this.#context.clock.setTimeout(() => over.abort(), waitMs);
    const renewing = new Repeater(this.#context.clock);
    renewing.start(this.#mine.record.ttlMs * RENEW_PART, () => this.#keepPlace(over));
    try {
      const ended = AbortSignal.any([over.signal, caller]);
      const hasWaited = await this.#waitForTurn(waitMs, ended, caller);
      return hasWaited ? await this.#noteHeld() : holdOf(this.#name, this.#mine);
    } catch (error) {
      await this.#leave();
      throw error;
    } finally {
      timer.cancel();
      renewing.stop();
    }
  }

  /** Whether the lock was not free at once. */
  async #waitForTurn(waitMs: number, ended: AbortSignal, caller: AbortSignal): Promise<boolean> {
    const { store } = this.#context;
    for (let hasWaited = false; ; hasWaited = true) {
      const queue = await queueOf(this.#context, this.#name);
      caller.throwIfAborted();
      const turn = turnOf(queue, this.#mine.token);
      if (turn.state === "held") return hasWaited;
      if (turn.state === "lost") throw lockLost(this.#name, this.#mine.token);
      const [holder] = queue.entries;
      if (holder !== undefined && (ended.aborted || waitMs === 0)) {
        throw lockTaken(this.#name, holder);
      }
      const watched = { fromRevision: queue.revision + 1, signal: ended };
      await untilGone(store, turn.predecessor, watched);
    }
  }

  /** From now on it is held, with its whole time; only while the place is still there. */
  async #noteHeld(): Promise<LockHold> {
    const { clock, leases } = this.#context;
    const { storeKey, token, leaseId, record } = this.#mine;
    const held: LockRecord = { ...record, heldAtMs: clock.nowMs() };
    try {
      await leases.keepAlive(leaseId);
      const { succeeded } = await runTransaction(this.#context, {
        compare: [{ key: storeKey, target: "createRevision", is: "=", value: token }],
        success: [put(storeKey, jsonValue(held), leaseId)],
      });
      if (!succeeded) throw lockLost(this.#name, token);
    } catch (error) {
      throw isLeaseUnknown(error) ? lockLost(this.#name, token) : error;
    }
    return holdOf(this.#name, { ...this.#mine, record: held });
  }

  async #keepPlace(over: AbortController): Promise<boolean> {
    const { leaseId } = this.#mine;
    try {
      await this.#context.leases.keepAlive(leaseId);
      return true;
    } catch (error) {
      // The store may answer again in time; a lease that has ended never comes back.
      if (!isLeaseUnknown(error)) return true;
      over.abort();
      return false;
    }
  }

  async #leave(): Promise<void> {
    await this.#context.leases.end(this.#mine.leaseId);
  }
}

function checkHolder(holder: string): void {
  const bytes = Buffer.byteLength(holder);
  if (bytes <= LOCK_HOLDER_BYTES_MAX && !/\p{Cc}|\p{Surrogate}/u.test(holder)) return;
  throw new MeshError("MESH_BAD_REQUEST", {
    message: "the holder's name is too long or has a control character",
    details: { limitBytes: LOCK_HOLDER_BYTES_MAX },
  });
}

function lockTaken(name: string, holder: QueueEntry): MeshError {
  const { principal, holder: label, sinceMs, token } = holdOf(name, holder);
  const who = label === "" ? principal : `${label} (${principal})`;
  return new MeshError("MESH_LOCK_TAKEN", {
    message: `${who} holds the lock ${JSON.stringify(name)} since ${isoTime(sinceMs)}`,
    details: { name, principal, holder: label, sinceMs, token },
  });
}

function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

function queueFull(name: string): MeshError {
  return new MeshError("MESH_LIMIT", {
    message: `${LOCK_QUEUE_MAX} hold or wait for the lock ${JSON.stringify(name)} already`,
    details: { limit: LOCK_QUEUE_MAX },
  });
}
