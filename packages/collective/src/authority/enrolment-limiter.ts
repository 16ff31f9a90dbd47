/**
 * How often the enrolment port may be tried: so many attempts a minute from one address and from
 * all. Token buckets over a monotonic time that the caller gives. IPv6 hosts own a whole /64, so
 * that is what counts as one address.
 */
import { isIPv6 } from "node:net";
import { limits, MeshError } from "@hearthmesh/core";

const MINUTE_MS = 60_000;

interface Bucket {
  /** Attempts that are left; a fraction while it fills. */
  left: number;
  atMs: number;
}

export interface EnrolmentLimits {
  perAddressPerMinute?: number;
  totalPerMinute?: number;
  addressesMax?: number;
  /** For the message. Default: "attempts to join". */
  what?: string;
}

export class EnrolmentLimiter {
  readonly #perAddress: number;
  readonly #total: number;
  readonly #addressesMax: number;
  readonly #what: string;
  /** Least recently used first. */
  readonly #addresses = new Map<string, Bucket>();
  readonly #all: Bucket;

  constructor(options: EnrolmentLimits = {}) {
    this.#perAddress = options.perAddressPerMinute ?? limits.ENROL_ATTEMPTS_PER_MINUTE_MAX;
    this.#total = options.totalPerMinute ?? limits.ENROL_ATTEMPTS_TOTAL_PER_MINUTE_MAX;
    this.#addressesMax = options.addressesMax ?? limits.ENROL_ADDRESSES_MAX;
    this.#what = options.what ?? "attempts to join";
    this.#all = { left: this.#total, atMs: 0 };
  }

  /**
   * Counts one attempt. Throws `MESH_LIMIT` with `details.retryAfterMs` when there were too many.
   */
  admit(address: string, monotonicMs: number): void {
    const key = addressKey(address);
    const bucket = this.#addresses.get(key) ?? { left: this.#perAddress, atMs: monotonicMs };
    this.#addresses.delete(key);
    this.#addresses.set(key, bucket);
    this.#forgetOldest();
    fill(bucket, this.#perAddress, monotonicMs);
    fill(this.#all, this.#total, monotonicMs);
    // The address first: one noisy address must not use up what is there for all.
    if (bucket.left < 1) {
      throw tooMany(`${this.#what} from this address`, waitMs(bucket, this.#perAddress));
    }
    bucket.left--;
    if (this.#all.left < 1) {
      throw tooMany(`${this.#what} in all`, waitMs(this.#all, this.#total));
    }
    this.#all.left--;
  }

  #forgetOldest(): void {
    if (this.#addresses.size <= this.#addressesMax) return;
    const oldest = this.#addresses.keys().next();
    if (!oldest.done) this.#addresses.delete(oldest.value);
  }
}

function fill(bucket: Bucket, perMinute: number, nowMs: number): void {
  const gained = (Math.max(0, nowMs - bucket.atMs) * perMinute) / MINUTE_MS;
  bucket.left = Math.min(perMinute, bucket.left + gained);
  bucket.atMs = nowMs;
}

function waitMs(bucket: Bucket, perMinute: number): number {
  return Math.ceil(((1 - bucket.left) * MINUTE_MS) / perMinute);
}

function tooMany(what: string, retryAfterMs: number): MeshError {
  return new MeshError("MESH_LIMIT", {
    message: `too many ${what}`,
    hint: `Wait ${Math.ceil(retryAfterMs / 1000)} s and try again.`,
    details: { retryAfterMs },
  });
}

/** What counts as one address: IPv6 by its /64. */
export function addressKey(address: string): string {
  const plain = address.replace(/%.*$/, "").toLowerCase();
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(plain);
  if (mapped?.[1] !== undefined) return mapped[1];
  return isIPv6(plain) ? firstGroups(plain) : plain;
}

/** The first four groups of an IPv6 address. */
function firstGroups(address: string): string {
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  const rest = tail === undefined || tail === "" ? [] : tail.split(":");
  while (tail !== undefined && groups.length + rest.length < 8) groups.push("0");
  return [...groups, ...rest]
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":");
}
