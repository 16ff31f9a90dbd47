/**
 * The runtime of the election: performs on a store what `election-machine.ts` decides. Any store
 * does; with the embedded engine there is one candidate, which leads at once.
 *
 * What a leader may rely on: writes through `fence()` take effect only while it leads, whatever
 * happens to its process or clocks. `isLeading()` is a good answer for orders to others, which must
 * carry the epoch. Neither makes something fresh that was kept in memory: read that from the store.
 */
import {
  type Clock,
  errorFields,
  type Logger,
  MeshError,
  type Random,
  type Startable,
  sleep,
  type Timer,
  toBase32,
} from "@hearthmesh/core";
import type { Compare, Lease, Store } from "../types.js";
import { campaign, grantElectionLease, renew } from "./campaign.js";
import type { ElectionEffect, ElectionEvent } from "./election-events.js";
import { ElectionMachine } from "./election-machine.js";
import { fencedStore } from "./fenced-store.js";
import { ELECTION_LEADER_KEY, encodeLeader, lookAtLeader } from "./leader-record.js";
import { watchLeader } from "./leader-watch.js";
import * as own from "./limits.js";

export interface ElectionOptions {
  readonly store: Store;
  readonly nodeId: string;
  /**
   * JSON that tells the others about this node, such as its name and addresses; asked at every
   * campaign. At most `ELECTION_DATA_BYTES_MAX`.
   */
  readonly candidate: () => unknown;
  /** From `ELECTION_LEASE_MS_MIN` to `ELECTION_LEASE_MS_MAX`. */
  readonly leaseTimeMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface ElectedLeader {
  readonly nodeId: string;
  readonly epoch: number;
  /** What it said about itself as a candidate. */
  readonly data: unknown;
}

export interface ElectionState {
  /** As it was last announced; `isLeading()` is what counts before an act. */
  readonly role: "leader" | "follower";
  /** Of the present leader, or the last one that was seen; 0 before the first. */
  readonly epoch: number;
  readonly leader?: ElectedLeader;
}

interface Attempt {
  lease: Lease | undefined;
  isReleased: boolean;
}

export class Election implements Startable {
  readonly name = "election";
  readonly #options: ElectionOptions;
  readonly #log: Logger;
  readonly #session: string;
  readonly #machine: ElectionMachine;
  readonly #attempts = new Map<number, Attempt>();
  readonly #releases = new Set<Promise<void>>();
  readonly #listeners = new Set<(state: ElectionState) => void>();
  readonly #stopping = new AbortController();
  #state: ElectionState = { role: "follower", epoch: 0 };
  #timer: Timer | undefined;
  #looks = 0;
  #started: Promise<void> | undefined;
  #whenSettled: (() => void)[] = [];

  /** Throws `MESH_BAD_REQUEST` for a wrong lease time, `MESH_LIMIT` for too much data. */
  constructor(options: ElectionOptions) {
    const { nodeId, leaseTimeMs, random } = options;
    const isTime = Number.isSafeInteger(leaseTimeMs);
    if (
      !isTime ||
      leaseTimeMs < own.ELECTION_LEASE_MS_MIN ||
      leaseTimeMs > own.ELECTION_LEASE_MS_MAX
    ) {
      const range = `${own.ELECTION_LEASE_MS_MIN} to ${own.ELECTION_LEASE_MS_MAX}`;
      const message = `the lease time of an election must be ${range} ms, not ${leaseTimeMs}`;
      throw new MeshError("MESH_BAD_REQUEST", { message });
    }
    this.#options = options;
    this.#log = options.log.child({ part: "election" });
    this.#session = toBase32(random.bytes(10));
    encodeLeader({ nodeId, session: this.#session, epoch: 0, data: options.candidate() });
    const jitter = () => random.float();
    this.#machine = new ElectionMachine({ nodeId, session: this.#session, leaseTimeMs, jitter });
  }

  /**
   * Resolves when it leads or knows who does, or after one lease time without an answer of the
   * store; it goes on by itself in any case.
   */
  start(): Promise<void> {
    this.#started ??= this.#start();
    return this.#started;
  }

  /** Resigns: gives the lease back, so that another takes over at once. It cannot start again. */
  async stop(): Promise<void> {
    this.#step({ type: "stop" });
    this.#stopping.abort();
    this.#settle();
    const { clock, leaseTimeMs } = this.#options;
    const longest = new AbortController();
    const given = Promise.all(this.#releases).finally(() => longest.abort());
    await Promise.race([given, sleep(clock, leaseTimeMs, longest.signal).catch(() => undefined)]);
  }

  /**
   * Gives the lease back, so that another takes over at once, and stands again after `forMs`: when
   * nobody else is there, it leads again then. It also stands one lease time after another one led
   * and does so no longer. Nothing happens while it does not lead.
   */
  resign(forMs: number): void {
    if (this.#machine.leading !== undefined) this.#step({ type: "resign", forMs });
  }

  get state(): ElectionState {
    return this.#state;
  }

  /** The lease is known to live now: `ELECTION_TRUST_SHARE` explains how. */
  isLeading(): boolean {
    return this.#machine.isTrusted(this.#now());
  }

  /** The epoch to act in; `MESH_NOT_LEADER` with `{ leader }` when this node does not lead. */
  requireLeading(): number {
    const leader = this.#machine.leading;
    if (leader !== undefined && this.isLeading()) return leader.epoch;
    throw new MeshError("MESH_NOT_LEADER", { details: { leader: this.#state.leader ?? null } });
  }

  /** Holds as long as this leadership does; `MESH_NOT_LEADER` when there is none. */
  guard(): Compare {
    this.requireLeading();
    return leadershipGuard(this.#machine.leading?.modRevision ?? 0);
  }

  /** The store for everything that only the leader may write. */
  fence(store: Store = this.#options.store): Store {
    return fencedStore(store, () => this.guard(), { onFenced: (guard) => this.fenced(guard) });
  }

  /** A guarded write was refused: steps down when the guard is of the present leadership. */
  fenced(guard: Compare): void {
    if (guard.key !== ELECTION_LEADER_KEY || guard.target !== "modRevision") return;
    this.#step({ type: "fenced", modRevision: guard.value });
  }

  /**
   * The membership says that this node is dead. When it leads, this node takes over without waiting
   * for the lease; if it still lives after all, its guarded writes fail from then on.
   */
  suspect(nodeId: string): void {
    this.#step({ type: "suspected", nodeId });
  }

  /** Told of every change of the state; the answer ends it. `MESH_LIMIT` for too many. */
  onChange(listener: (state: ElectionState) => void): () => void {
    if (this.#listeners.size >= own.ELECTION_LISTENERS_MAX) {
      const message = `an election has at most ${own.ELECTION_LISTENERS_MAX} listeners`;
      throw new MeshError("MESH_LIMIT", { message });
    }
    // A function of its own: the same listener may be given twice.
    const entry = (state: ElectionState) => listener(state);
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  async #start(): Promise<void> {
    const { store, clock, random, leaseTimeMs } = this.#options;
    this.#step({ type: "start" });
    const watch = watchLeader({
      store,
      clock,
      random,
      log: this.#log,
      retryMsMax: leaseTimeMs * own.ELECTION_RETRY_SHARE_MAX,
      signal: this.#stopping.signal,
      onSight: (sight) => this.#step({ type: "seen", sight }),
    });
    watch.catch((error: unknown) => this.#log.error("the watch ended", errorFields(error)));
    if (this.#machine.settled) return;
    await new Promise<void>((resolve) => {
      const timer = clock.setTimeout(resolve, leaseTimeMs);
      this.#whenSettled.push(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  #now() {
    const { clock } = this.#options;
    return { monotonicMs: clock.monotonicMs(), wallMs: clock.nowMs() };
  }

  #step(event: ElectionEvent): void {
    const effects = this.#machine.step(event, this.#now());
    for (const effect of effects) this.#perform(effect);
    this.#arm();
    this.#announce();
  }

  #perform(effect: ElectionEffect): void {
    switch (effect.type) {
      case "campaign":
        this.#answer(this.#campaign(effect.attempt, effect.replaces));
        break;
      case "renew":
        this.#renew(effect.attempt, effect.renewal);
        break;
      case "release":
        this.#release(effect.attempt);
        break;
      case "look":
        this.#look();
        break;
      case "tookOver":
        this.#log.info("leads now", { epoch: effect.epoch });
        break;
      case "steppedDown":
        this.#log.warn("does not lead any more", { epoch: effect.epoch, reason: effect.reason });
        break;
    }
  }

  #renew(attempt: number, renewal: number): void {
    const lease = this.#attempts.get(attempt)?.lease;
    if (lease !== undefined) this.#answer(renew(this.#options.store, lease, renewal));
  }

  #answer(event: Promise<ElectionEvent>): void {
    void event.then((known) => this.#step(known));
  }

  async #campaign(attempt: number, replaces: number): Promise<ElectionEvent> {
    if (this.#attempts.size >= own.ELECTION_ATTEMPTS_MAX) return { type: "failed", attempt };
    const entry: Attempt = { lease: undefined, isReleased: false };
    this.#attempts.set(attempt, entry);
    const { candidate: data, ...rest } = this.#options;
    const options = { ...rest, data, session: this.#session };
    try {
      const lease = await grantElectionLease(options);
      entry.lease = lease;
      if (entry.isReleased) throw new MeshError("MESH_CANCELLED");
      return await campaign(options, lease, attempt, replaces);
    } catch (error) {
      this.#log.debug("a campaign came to nothing", { attempt, ...errorFields(error) });
      // Gives back also what was granted after the machine had given the attempt up.
      this.#release(attempt);
      this.#attempts.delete(attempt);
      return { type: "failed", attempt };
    }
  }

  #release(attempt: number): void {
    const entry = this.#attempts.get(attempt);
    if (entry === undefined) return;
    entry.isReleased = true;
    // Not granted yet: it is given back when it is.
    if (entry.lease === undefined) return;
    this.#attempts.delete(attempt);
    const released = this.#giveBack(entry.lease);
    this.#releases.add(released);
    void released.then(() => this.#releases.delete(released));
  }

  /** Nobody else leads as long as it lives: tried again, as long as it may still live. */
  async #giveBack(lease: Lease): Promise<void> {
    const { clock, leaseTimeMs } = this.#options;
    const { signal } = this.#stopping;
    const endMs = clock.monotonicMs() + leaseTimeMs;
    for (let attempt = 0; ; attempt++) {
      try {
        return await lease.revoke();
      } catch (error) {
        this.#log.debug("a lease could not be given back", errorFields(error));
      }
      const longestMs = leaseTimeMs * own.ELECTION_RETRY_SHARE_MAX;
      const waitMs = Math.min(longestMs, own.ELECTION_RETRY_MS * 2 ** Math.min(attempt, 16));
      if (signal.aborted || clock.monotonicMs() + waitMs >= endMs) return;
      await sleep(clock, waitMs, signal).catch(() => undefined);
    }
  }

  #look(): void {
    if (this.#looks >= own.ELECTION_LOOKS_MAX) return;
    this.#looks++;
    void lookAtLeader(this.#options.store)
      .then(
        (sight): ElectionEvent => ({ type: "seen", sight }),
        (): ElectionEvent => ({ type: "lookFailed" }),
      )
      .then((event) => {
        this.#looks--;
        this.#step(event);
      });
  }

  #arm(): void {
    this.#timer?.cancel();
    const { dueMs } = this.#machine;
    if (dueMs === undefined) return;
    const delayMs = Math.max(0, Math.ceil(dueMs - this.#options.clock.monotonicMs()));
    this.#timer = this.#options.clock.setTimeout(() => this.#step({ type: "tick" }), delayMs);
  }

  #announce(): void {
    if (this.#machine.settled) this.#settle();
    const next = this.#presentState();
    if (isSame(next, this.#state)) return;
    this.#state = next;
    for (const listener of [...this.#listeners]) {
      try {
        listener(next);
      } catch (error) {
        this.#log.error("a listener of the election failed", errorFields(error));
      }
    }
  }

  #presentState(): ElectionState {
    const { leading, leader } = this.#machine;
    if (leader === undefined) return { role: "follower", epoch: this.#state.epoch };
    const { nodeId, epoch, data } = leader;
    const role = leading === undefined ? "follower" : "leader";
    return { role, epoch, leader: { nodeId, epoch, data } };
  }

  #settle(): void {
    for (const resolve of this.#whenSettled.splice(0)) resolve();
  }
}

/**
 * The leader key is as this leadership wrote it, which it does once. Its `createRevision` would not
 * do: who replaces a suspected leader writes the same key again.
 */
function leadershipGuard(modRevision: number): Compare {
  return { key: ELECTION_LEADER_KEY, target: "modRevision", is: "=", value: modRevision };
}

function isSame(a: ElectionState, b: ElectionState): boolean {
  const isSameLeader = a.leader?.nodeId === b.leader?.nodeId && a.leader?.epoch === b.leader?.epoch;
  return a.role === b.role && a.epoch === b.epoch && isSameLeader;
}
