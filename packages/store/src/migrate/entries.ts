/** All keys of a store in order, a page at a time. */
import { limits } from "@hearthmesh/core";
import { ELECTION_LEADER_KEY } from "../election/leader-record.js";
import type { KeyValue, Store } from "../types.js";
import { MIGRATION_PAGE_ENTRIES_MAX } from "./limits.js";

/** It is in the target while a migration is not finished. */
export const MIGRATION_KEY = "migration/unfinished";

/** No key comes after it. */
const LAST_KEY = "\u{10ffff}".repeat(limits.STORE_KEY_BYTES_MAX / 4);

export interface WalkOptions {
  /** As they were then; the pages are of the present one by one without it. */
  readonly revision?: number;
  readonly signal?: AbortSignal | undefined;
  readonly limit?: number;
}

/** Throws the signal's reason when it is aborted. */
export async function* pagesOfStore(
  store: Store,
  { limit = MIGRATION_PAGE_ENTRIES_MAX, signal, ...rest }: WalkOptions = {},
): AsyncGenerator<readonly KeyValue[], void, void> {
  signal?.throwIfAborted();
  let page = await store.range({ prefix: "" }, { limit, ...rest });
  for (;;) {
    yield page.entries;
    const last = page.entries.at(-1)?.key;
    if (!page.more || last === undefined) return;
    signal?.throwIfAborted();
    // From the last key itself: the text after it may be longer than a key can be.
    const range = { start: last, end: LAST_KEY };
    const next = await store.range(range, { limit: limit + 1, ...rest });
    const entries = next.entries.filter((entry) => entry.key !== last);
    const end = next.more ? undefined : await store.get(LAST_KEY, rest);
    if (end !== undefined && last !== LAST_KEY) entries.push(end);
    page = { ...next, entries };
  }
}

/** The entries that have to be the same in both stores: those that no lease can end. */
export async function* lastingEntries(
  store: Store,
  options: WalkOptions,
): AsyncGenerator<KeyValue, void, void> {
  for await (const page of pagesOfStore(store, options)) {
    for (const entry of page) if (isLasting(entry)) yield entry;
  }
}

export function isLasting({ key, leaseId }: KeyValue): boolean {
  return leaseId === 0 && key !== MIGRATION_KEY && key !== ELECTION_LEADER_KEY;
}

/** Those that live with a lease and move with it; a leader does not. */
export function isLeased({ key, leaseId }: KeyValue): boolean {
  return leaseId !== 0 && key !== ELECTION_LEADER_KEY;
}
