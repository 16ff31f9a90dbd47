/**
 * What etcd does not refuse by itself: too many deletions, too many keys of one lease, a lease that
 * ended here a moment ago. It is looked up before the transaction is sent, and only when the
 * transaction could reach a limit. As only one branch of a transaction runs, a branch that must not
 * run is sent empty; when etcd then chooses it, the transaction fails and has changed nothing.
 *
 * The lookup and the transaction are two steps: keys that others add in between are not counted.
 */
import { limits } from "@hearthmesh/core";
import type { Operation, Transaction } from "../types.js";
import { leaseEndedError, refuseFullLease, refuseLargeDeletion } from "../validate.js";
import type { EtcdClient } from "./etcd-client.js";
import type { EtcdLeases } from "./etcd-leases.js";
import type { KeySpace } from "./key-space.js";
import type { Branch } from "./transaction-request.js";

/** The errors of the branches that must not run. */
export type Refusals = Partial<Record<Branch, unknown>>;

/** Leases whose keys are counted here; the one that was used least recently goes first. */
const LEASES_COUNTED_MAX = limits.STORE_LEASES_MAX;

export class TransactionChecks {
  readonly #client: EtcdClient;
  readonly #keys: KeySpace;
  readonly #leases: EtcdLeases;
  /** Not fewer than the keys that this store tied to a lease since it last asked. */
  readonly #leaseKeys = new Map<number, number>();

  constructor(client: EtcdClient, keys: KeySpace, leases: EtcdLeases) {
    this.#client = client;
    this.#keys = keys;
    this.#leases = leases;
  }

  /** True when the transaction has anything to be looked up; most have not. */
  static concerns({ success, failure }: Transaction): boolean {
    return success.some(isBounded) || failure?.some(isBounded) === true;
  }

  async of(transaction: Transaction): Promise<Refusals> {
    const refusals: Refusals = {};
    for (const branch of ["success", "failure"] as const) {
      try {
        await this.#check(transaction[branch] ?? []);
      } catch (error) {
        refusals[branch] = error;
      }
    }
    return refusals;
  }

  /** Which lease of a refused transaction has ended. */
  async endedLease({ success, failure = [] }: Transaction): Promise<unknown> {
    const ids = [...success, ...failure].map((each) => leaseOf(each)).filter((id) => id !== 0);
    const unique = [...new Set(ids)];
    for (const id of unique) {
      if (unique.length === 1 || (await this.#keysOf(id)) === undefined) return leaseEndedError(id);
    }
    return leaseEndedError(unique[0] ?? 0);
  }

  async #check(operations: readonly Operation[]): Promise<void> {
    let deleted = 0;
    const tied = new Map<number, string[]>();
    for (const operation of operations) {
      if (operation.type === "deleteRange") {
        deleted += await this.#countIn(operation);
        refuseLargeDeletion(deleted);
      }
      const leaseId = leaseOf(operation);
      if (operation.type !== "put" || leaseId === 0) continue;
      if (!this.#leases.mayBeAlive(leaseId)) throw leaseEndedError(leaseId);
      tied.set(leaseId, [...(tied.get(leaseId) ?? []), operation.key]);
    }
    for (const [leaseId, keys] of tied) await this.#checkLease(leaseId, keys);
  }

  async #countIn(operation: { range: Parameters<KeySpace["rangeOf"]>[0] }): Promise<number> {
    const request = { ...this.#keys.rangeOf(operation.range), countOnly: true };
    const { range } = this.#client.protocol.methods;
    return (await this.#client.call(range, request, "repeatable")).count;
  }

  async #checkLease(leaseId: number, keys: readonly string[]): Promise<void> {
    const counted = this.#leaseKeys.get(leaseId);
    let total = (counted ?? 0) + keys.length;
    if (counted === undefined || total > limits.STORE_LEASE_KEYS_MAX) {
      const there = await this.#keysOf(leaseId);
      if (there === undefined) return;
      const added = keys.filter((key) => !there.has(key)).length;
      refuseFullLease(leaseId, there.size + added);
      total = there.size + added;
    }
    this.#leaseKeys.delete(leaseId);
    this.#leaseKeys.set(leaseId, total);
    if (this.#leaseKeys.size <= LEASES_COUNTED_MAX) return;
    const [oldest] = this.#leaseKeys.keys();
    if (oldest !== undefined) this.#leaseKeys.delete(oldest);
  }

  /** Nothing for a lease that has ended. */
  async #keysOf(id: number): Promise<ReadonlySet<string> | undefined> {
    const answer = await this.#leases.timeToLive(id, true);
    if (answer.ttlSeconds < 0) return undefined;
    return new Set(answer.keys.map((key) => this.#keys.decode(key)));
  }
}

function leaseOf(operation: Operation): number {
  return operation.type === "put" ? (operation.leaseId ?? 0) : 0;
}

function isBounded(operation: Operation): boolean {
  return operation.type === "deleteRange" || leaseOf(operation) !== 0;
}
