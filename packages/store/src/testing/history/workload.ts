/** What the workers of a recording do: few keys, so that they meet, and values that are unique. */
import { type Random, randomInteger } from "@hearthmesh/core";
import type { Answer, Invocation } from "./perform.js";

export const REGISTER_PREFIX = "r/";
const LOCK_KEY = "lock/one";
const FENCED_KEY = "fenced/one";
/** Put once at the end, so that every watch can tell that it has everything. */
export const END_KEY = "r/end";

const REGISTERS = 6;
/** etcd gives no lease less than about its election timeout. */
const LOCK_LEASE_TTL_MS = 4000;

type Kind = "get" | "range" | "put" | "delete" | "casValue" | "casRevision" | "txn";
const MIX: readonly (readonly [Kind, number])[] = [
  ["get", 34],
  ["put", 18],
  ["delete", 6],
  ["casValue", 11],
  ["casRevision", 11],
  ["txn", 11],
  ["range", 9],
];

interface Seen {
  readonly value: string | null;
  readonly modRevision: number;
}

/** A worker on registers: what it does next, from chance and from what it last saw. */
export class RegisterWork {
  readonly #name: string;
  readonly #random: Random;
  readonly #seen = new Map<string, Seen>();
  #count = 0;

  constructor(name: string, random: Random) {
    this.#name = name;
    this.#random = random;
  }

  next(): Invocation {
    const key = this.#key();
    const seen = this.#seen.get(key) ?? { value: null, modRevision: 0 };
    switch (this.#kind()) {
      case "get":
        return { op: "get", key };
      case "range":
        return { op: "range", prefix: REGISTER_PREFIX };
      case "put":
        return { op: "put", key, value: this.#value() };
      case "delete":
        return { op: "delete", key };
      case "casValue":
        return { op: "cas", key, value: this.#value(), expect: { value: seen.value } };
      case "casRevision":
        return { op: "cas", key, value: this.#value(), expect: { modRevision: seen.modRevision } };
      case "txn":
        return this.#transaction(key, seen);
    }
  }

  /** What it learned; compares use it. */
  learned(invocation: Invocation, answer: Answer): void {
    const { key, value } = invocation;
    for (const entry of answer.entries ?? []) this.#seen.set(entry.key, entry);
    if (key === undefined) return;
    const { value: read, modRevision = 0, revision = 0 } = answer;
    if (read !== undefined) this.#seen.set(key, { value: read, modRevision });
    else if (invocation.op === "delete") this.#seen.delete(key);
    else if (value !== undefined && answer.succeeded !== false) {
      this.#seen.set(key, { value, modRevision: revision });
    } else this.#seen.delete(key);
  }

  /** Two keys change together, or both are read. */
  #transaction(key: string, { value }: Seen): Invocation {
    const other = this.#key();
    const second =
      other === key ? [] : [{ type: "put" as const, key: other, value: this.#value() }];
    return {
      op: "txn",
      compare: [{ key, value }],
      success: [{ type: "get", key: other }, { type: "put", key, value: this.#value() }, ...second],
      failure: [
        { type: "get", key },
        { type: "get", key: other },
      ],
    };
  }

  #key(): string {
    return `${REGISTER_PREFIX}${randomInteger(this.#random, REGISTERS)}`;
  }

  #value(): string {
    return `${this.#name}-${++this.#count}`;
  }

  #kind(): Kind {
    const total = MIX.reduce((sum, [, weight]) => sum + weight, 0);
    let place = this.#random.float() * total;
    for (const [kind, weight] of MIX) {
      place -= weight;
      if (place < 0) return kind;
    }
    return "get";
  }
}

/**
 * A worker that takes the lock, writes under it and gives it back; at times it only believes that
 * it still holds it, and goes on with its old token.
 */
export class LockWork {
  readonly #name: string;
  readonly #random: Random;
  #lease = 0;
  #token = 0;
  #count = 0;

  constructor(name: string, random: Random) {
    this.#name = name;
    this.#random = random;
  }

  next(): Invocation {
    if (this.#lease === 0) return { op: "grant", ttlMs: LOCK_LEASE_TTL_MS };
    if (this.#token === 0) {
      return { op: "lock", key: LOCK_KEY, value: this.#value(), lease: this.#lease };
    }
    const chance = this.#random.float();
    if (chance < 0.65) {
      const value = this.#value();
      const write = { key: FENCED_KEY, value, lock: LOCK_KEY, token: this.#token };
      return { op: "fenced", ...write, guard: this.#random.float() < 0.5 };
    }
    if (chance < 0.85) return { op: "unlock", key: LOCK_KEY, token: this.#token };
    return { op: chance < 0.95 ? "keepAlive" : "revoke", lease: this.#lease };
  }

  learned(invocation: Invocation, answer: Answer | undefined): void {
    const { op } = invocation;
    if (op === "grant") this.#lease = answer?.lease ?? 0;
    else if (op === "lock" && answer?.succeeded === true) this.#token = answer.revision ?? 0;
    else if (answer === undefined || op === "revoke") this.#lostLease(op);
    else if (answer.succeeded === false && this.#random.float() < 0.5) this.#token = 0;
    else if (op === "unlock" && this.#random.float() < 0.8) this.#token = 0;
  }

  /** It may keep the token, and try it although its lease is gone. */
  #lostLease(op: string): void {
    if (op === "revoke" || op === "keepAlive" || op === "lock") this.#lease = 0;
    if (this.#random.float() < 0.5) this.#token = 0;
  }

  #value(): string {
    return `${this.#name}-${++this.#count}`;
  }
}
