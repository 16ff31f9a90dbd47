/** What the suite needs from a test runner and from an engine, and its small helpers. */
import assert from "node:assert/strict";
import { type ErrorCode, isMeshError } from "@hearthmesh/core";
import type { KeyRange, KeyValue, Store, WatchBatch } from "../types.js";

/** One empty store and what surrounds it. */
export interface StoreUnderTest {
  readonly store: Store;
  /**
   * Writes that a watcher which reads nothing can be behind, at most, without being cut; 600 small
   * ones when left out. An engine across a network has buffers on the way, which hold some.
   */
  readonly lag?: { readonly writes: number; readonly valueBytes: number };
  /** Closes it and opens the same data again; `store` is then the new one. */
  reopen(): Promise<void>;
  /** Lets that much time pass for leases; what they end is then deleted. */
  advance(durationMs: number): Promise<void>;
  /** Closes it and removes its data. */
  dispose(): Promise<void>;
}

/** Fits vitest, node:test and others. */
export interface ConformanceHarness {
  /** Name of the engine. */
  readonly name: string;
  describe(name: string, body: () => void): void;
  it(name: string, body: () => Promise<void>): void;
  open(): Promise<StoreUnderTest>;
}

/** Declares one test on a store of its own. */
export type DeclareTest = (name: string, body: (subject: StoreUnderTest) => Promise<void>) => void;

export function declareOn(harness: ConformanceHarness): DeclareTest {
  return (name, body) =>
    harness.it(name, async () => {
      const subject = await harness.open();
      try {
        await body(subject);
      } finally {
        await subject.dispose();
      }
    });
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function textOf(entry: KeyValue | undefined): string | undefined {
  return entry === undefined ? undefined : new TextDecoder().decode(entry.value);
}

export async function rejectsWith(code: ErrorCode, work: () => Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error: unknown) => {
    assert.ok(isMeshError(error, code), `expected ${code}, got ${String(error)}`);
    return true;
  });
}

/** The first batches of a watch; the watch is ended afterwards. */
export async function take(
  store: Store,
  range: KeyRange,
  fromRevision: number,
  count: number,
): Promise<WatchBatch[]> {
  const batches: WatchBatch[] = [];
  if (count === 0) return batches;
  for await (const batch of store.watch(range, { fromRevision })) {
    batches.push(batch);
    if (batches.length === count) break;
  }
  return batches;
}

/** Puts a text under each key, one transaction each, and answers the last revision. */
export async function fill(store: Store, keys: readonly string[]): Promise<number> {
  let revision = 0;
  for (const key of keys) {
    const operation = { type: "put", key, value: bytes(`value of ${key}`) } as const;
    revision = (await store.transact({ success: [operation] })).revision;
  }
  return revision;
}

export async function keysIn(store: Store, range: KeyRange): Promise<string[]> {
  return (await store.range(range)).entries.map((entry) => entry.key);
}
