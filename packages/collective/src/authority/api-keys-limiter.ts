/**
 * How often API keys may be wrong. From one address `API_KEY_FAILURES_PER_MINUTE_MAX` a minute;
 * then its keys are not looked at until the minute has passed. When the failures of all addresses
 * are too many, those that were wrong before are not looked at; an address that was never wrong
 * always is, so that a flood from elsewhere locks nobody out. Time is given by the caller.
 */
import { limits, MeshError } from "@hearthmesh/core";
import { addressKey } from "./enrolment-limiter.js";

const MINUTE_MS = 60_000;
/** Addresses whose failures are counted; the longest idle is forgotten. */
const KEY_FAILURE_ADDRESSES_MAX = 4096;
/** Failures of all addresses in a minute, above which only clean addresses are looked at. */
const KEY_FAILURES_TOTAL_PER_MINUTE_MAX = 1200;

/** Failures in a minute that began with the first of them. */
interface Window {
  beganMs: number;
  failures: number;
}

export interface ApiKeyLimiterOptions {
  perAddressPerMinute?: number;
  totalPerMinute?: number;
  addressesMax?: number;
}

export class ApiKeyLimiter {
  readonly #perAddress: number;
  readonly #total: number;
  readonly #addressesMax: number;
  /** Least recently wrong first. */
  readonly #addresses = new Map<string, Window>();
  #all: Window = { beganMs: 0, failures: 0 };

  constructor(options: ApiKeyLimiterOptions = {}) {
    this.#perAddress = options.perAddressPerMinute ?? limits.API_KEY_FAILURES_PER_MINUTE_MAX;
    this.#total = options.totalPerMinute ?? KEY_FAILURES_TOTAL_PER_MINUTE_MAX;
    this.#addressesMax = options.addressesMax ?? KEY_FAILURE_ADDRESSES_MAX;
  }

  /** Before a key is looked at. `MESH_LIMIT` with `details.retryAfterMs`. */
  admit(address: string, monotonicMs: number): void {
    const own = this.#addresses.get(addressKey(address));
    if (own === undefined || isOver(own, monotonicMs)) return;
    if (own.failures >= this.#perAddress) throw tooMany(own, monotonicMs);
    if (!isOver(this.#all, monotonicMs) && this.#all.failures >= this.#total) {
      throw tooMany(this.#all, monotonicMs);
    }
  }

  /** Counts a key that was wrong. */
  failed(address: string, monotonicMs: number): void {
    const key = addressKey(address);
    const own = this.#addresses.get(key);
    this.#addresses.delete(key);
    this.#addresses.set(key, counted(own, monotonicMs));
    this.#all = counted(this.#all, monotonicMs);
    if (this.#addresses.size <= this.#addressesMax) return;
    const oldest = this.#addresses.keys().next();
    if (!oldest.done) this.#addresses.delete(oldest.value);
  }
}

function isOver(window: Window, nowMs: number): boolean {
  return nowMs - window.beganMs >= MINUTE_MS;
}

function counted(window: Window | undefined, nowMs: number): Window {
  if (window === undefined || isOver(window, nowMs)) return { beganMs: nowMs, failures: 1 };
  return { beganMs: window.beganMs, failures: window.failures + 1 };
}

function tooMany(window: Window, nowMs: number): MeshError {
  const retryAfterMs = Math.max(1, Math.ceil(window.beganMs + MINUTE_MS - nowMs));
  return new MeshError("MESH_LIMIT", {
    message: "too many wrong API keys came from this address",
    hint: `Wait ${Math.ceil(retryAfterMs / 1000)} s, then use a key that \`mesh key list\` shows.`,
    details: { retryAfterMs },
  });
}
