/** What every part of the coordinator does with the store. */
import { limits, MeshError } from "@hearthmesh/core";
import type { KeyRange, KeyValue, Operation, RangeResult, Store } from "@hearthmesh/store";
import { rowsAfter, type WalkedKind } from "./keys.js";

/** One try of a change: its result, or `again` when another change came first. */
export type Attempt<Result> = { done: Result } | "again";

/** Tries until it succeeds or throws; `MESH_STORE_BUSY` after a bounded number of conflicts. */
export async function withRetries<Result>(
  attempt: (number: number) => Promise<Attempt<Result>>,
): Promise<Result> {
  for (let number = 0; number < limits.CONFLICT_RETRIES_MAX; number++) {
    const outcome = await attempt(number);
    if (outcome !== "again") return outcome.done;
  }
  throw new MeshError("MESH_STORE_BUSY", {
    message: "others changed the same place again and again",
    hint: "Try again in a moment.",
  });
}

/** The rows of a kind in pages, each read when it is asked for: as they are then, or were. */
export async function* pagesOf(
  store: Store,
  kind: WalkedKind,
  options: { limit: number; keysOnly?: boolean; revision?: number; signal?: AbortSignal },
): AsyncGenerator<readonly KeyValue[], void, undefined> {
  const { signal, ...range } = options;
  let last: string | undefined;
  for (;;) {
    signal?.throwIfAborted();
    const page: RangeResult = await store.range(rowsAfter(kind, last), range);
    if (page.entries.length > 0) yield page.entries;
    last = page.entries.at(-1)?.key;
    if (!page.more || last === undefined) return;
  }
}

/** Whether the range holds a row. */
export async function isEmpty(store: Store, range: KeyRange): Promise<boolean> {
  const page = await store.range(range, { limit: 1, keysOnly: true });
  return page.entries.length === 0;
}

/** Cuts a list into pieces of at most `size`. */
export function batchesOf<Item>(items: readonly Item[], size: number): Item[][] {
  const batches: Item[][] = [];
  for (let at = 0; at < items.length; at += size) batches.push(items.slice(at, at + size));
  return batches;
}

/** The row that the operation at this place of a failure branch read. */
export function readRow(
  result: { results: readonly { type: string; entry?: KeyValue | undefined }[] },
  at: number,
): KeyValue | undefined {
  return result.results[at]?.entry;
}

export function getOperations(names: readonly string[]): Operation[] {
  return names.map((key) => ({ type: "get", key }));
}
